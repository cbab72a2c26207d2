import type { ComponentType, VNode } from "preact";
import { useEffect, useErrorBoundary, useState } from "preact/hooks";
import { Empty, Loading, Page, Problem } from "./components/page.tsx";
import { type PageEntry, pages } from "./pages.ts";
import { href, usePlace } from "./router.ts";

/** Returns the page of a path, if there is one: the one with the longest path that fits. */
export function pageAt(path: string): PageEntry | undefined {
  return pages
    .filter((page) => path === page.path || (page.path !== "/" && path.startsWith(`${page.path}/`)))
    .toSorted((a, b) => b.path.length - a.path.length)[0];
}

/** Shows the page of the present place, and loads it first. */
export function OpenPage(): VNode {
  const { path } = usePlace();
  const page = pageAt(path);
  const [loaded, setLoaded] = useState<{
    page: PageEntry;
    Content?: ComponentType;
    error?: Error;
  }>();
  useEffect(() => {
    if (page === undefined) return;
    let isCurrent = true;
    page.load().then(
      ({ Content }) => isCurrent && setLoaded({ page, Content }),
      () => {
        const error = new Error("This page could not be loaded. Reload it to try again.");
        if (isCurrent) setLoaded({ page, error });
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [page]);

  if (page === undefined) {
    return (
      <Page title="Page not found">
        <Empty title={`There is no page at ${path}`}>
          <a href={href("/")}>Go to the overview</a>
        </Empty>
      </Page>
    );
  }
  if (loaded?.page !== page) return <Loading />;
  if (loaded.Content === undefined) return <Problem error={loaded.error} />;
  return <Guarded key={page.path} Content={loaded.Content} />;
}

/** A page that fails leaves the frame alone, with its way to the other pages. */
function Guarded({ Content }: { readonly Content: ComponentType }): VNode {
  const [error] = useErrorBoundary();
  if (error === undefined) return <Content />;
  return (
    <Page title="This page has failed">
      <Problem error={error instanceof Error ? error : new Error(String(error))}>
        <p>Reload it to try again.</p>
      </Problem>
    </Page>
  );
}
