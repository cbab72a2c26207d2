import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { send } from "./api.ts";
import { Badge } from "./components/badge.tsx";
import { Button } from "./components/button.tsx";
import { useToast } from "./components/toast-context.ts";
import { pageAt } from "./open-page.tsx";
import { pages } from "./pages.ts";
import { href, usePlace } from "./router.ts";
import { useSession } from "./session.ts";
import { ThemeSwitch } from "./theme-switch.tsx";

/** Properties of {@link Frame}. */
export interface FrameProps {
  readonly canSignOut: boolean;
  readonly children: ComponentChildren;
}

/** What stands around every page: the navigation, the theme, and who is signed in. */
export function Frame({ canSignOut, children }: FrameProps): VNode {
  const { bus, caller, features } = useSession();
  const showToast = useToast();
  const { path } = usePlace();
  const open = pageAt(path);
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    // The document opens at its start. Later, a page that was opened gets the focus, as a document would.
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [path]);
  useEffect(() => {
    nav.current
      ?.querySelector("[aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [open]);
  const signOut = async (): Promise<void> => {
    try {
      await send("DELETE", "api/session");
      // Nothing that the user has seen or written stays in the page.
      location.reload();
    } catch (error) {
      showToast(`You are still signed in. ${error instanceof Error ? error.message : ""}`, "bad");
    }
  };
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <div class="frame">
        <header class="side">
          <Brand name={bus} />
          <nav ref={nav} class="nav-box" aria-label="Pages">
            <ul class="nav">
              {pages
                .filter(({ needs }) => needs === undefined || features[needs])
                .map((page) => (
                  <li key={page.path}>
                    <a href={href(page.path)} aria-current={page === open ? "page" : undefined}>
                      {page.title}
                    </a>
                  </li>
                ))}
            </ul>
          </nav>
          <div class="side-foot">
            <p class="who small muted">
              {caller.name} {caller.readOnly && <Badge>may only look</Badge>}
            </p>
            <ThemeSwitch />
            {canSignOut && (
              <Button small onClick={() => void signOut()}>
                Sign out
              </Button>
            )}
          </div>
        </header>
        <main ref={main} id="main" class="main" tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

/** The mark of Busbar, with a name. */
export function Brand({ name }: { readonly name: string }): VNode {
  return (
    <div class="brand">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect class="brand-mark" width="32" height="32" rx="7" />
        <path class="brand-lines" d="M6 16h20M11 16V8M21 16V8M16 16v8" />
      </svg>
      <span>{name}</span>
    </div>
  );
}
