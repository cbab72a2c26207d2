import { useEffect, useState } from "preact/hooks";

/** Where the dashboard is mounted, such as `/busbar`; empty at the root. The server writes it into the document. */
export const basePath: string =
  document.querySelector<HTMLMetaElement>("meta[name=busbar-base]")?.content.replace(/\/$/, "") ??
  "";

/** A place within the dashboard. */
export interface Place {
  /** The path below `basePath`: it starts with a slash. */
  readonly path: string;
  /** The parameters of the query. */
  readonly query: URLSearchParams;
}

/** Returns the address of a path of the dashboard, for links. Empty parameters are left out. */
export function href(
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(key, value);
  }
  const text = parameters.toString();
  return `${basePath}${path}${text === "" ? "" : `?${text}`}`;
}

/** Returns what a path has behind that of its page: `order.placed` of `/events/order.placed`. Empty: nothing. */
export function restOf(path: string, page: string): string {
  const rest = path.slice(page.length + 1);
  try {
    return decodeURIComponent(rest);
  } catch {
    // A user has typed the address.
    return rest;
  }
}

/** Goes to an address of the dashboard, as {@link href} returns it. */
export function go(
  address: string,
  { replace = false }: { readonly replace?: boolean } = {},
): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Returns the present place, and renders again when it changes. */
export function usePlace(): Place {
  const [place, setPlace] = useState(currentPlace);
  useEffect(() => {
    const follow = (): void => setPlace(currentPlace());
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  return place;
}

/**
 * Keeps a value in the query of the address, so that a reload or a shared link shows the same. Returns the value and
 * a function that replaces it.
 *
 * @example
 * ```ts
 * const [name, setName] = useQuery("name");
 * ```
 */
export function useQuery(key: string): readonly [string, (value: string) => void] {
  const { path, query } = usePlace();
  const set = (value: string): void => {
    // The address may have changed since this was rendered.
    const next = currentPlace();
    if (next.path !== path) return;
    const all = Object.fromEntries(next.query);
    go(href(path, { ...all, [key]: value }), { replace: true });
  };
  return [query.get(key) ?? "", set];
}

/** Follows links within the dashboard without loading the document again. Returns a function that ends it. */
export function followLinks(): () => void {
  const follow = (event: MouseEvent): void => {
    const wantsTab =
      event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (event.defaultPrevented || wantsTab || link === null) return;
    if (link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin)
      return;
    if (!isInside(link.pathname) || link.hash !== "") return;
    event.preventDefault();
    go(link.pathname + link.search);
  };
  document.addEventListener("click", follow);
  return () => document.removeEventListener("click", follow);
}

function isInside(pathname: string): boolean {
  return pathname === basePath || pathname.startsWith(`${basePath}/`);
}

function currentPlace(): Place {
  const path = location.pathname.slice(basePath.length);
  return { path: path === "" ? "/" : path, query: new URLSearchParams(location.search) };
}
