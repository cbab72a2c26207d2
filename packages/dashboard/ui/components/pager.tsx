import type { VNode } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, read } from "../api.ts";
import { formatCount } from "../format.ts";
import { useSignedIn } from "../signed-in.ts";
import { Button } from "./button.tsx";

/** A page of a list that is read by cursor. */
export interface CursorPage<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins. Absent: this is the last one. */
  readonly cursor?: string | null | undefined;
}

/** A list that is read page by page. */
export interface Paged<Item, Page> {
  /** What has been read so far. Undefined: the first page is not there yet. */
  readonly items: readonly Item[] | undefined;
  /** The pages that have been read so far. */
  readonly pages: readonly Page[];
  /** The last page that was read, with members of its own. */
  readonly last: Page | undefined;
  readonly error: ApiError | undefined;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  /** Reads the next page. */
  readonly more: () => Promise<void>;
  /** Forgets what was read, and reads the first page. */
  readonly reload: () => Promise<void>;
}

/**
 * Reads a list page by page.
 *
 * @param path Returns the path of the page that begins at a cursor; undefined: of the first page. Keep the function
 * while the list is the same (`useCallback`): a new one reads a new list.
 */
export function usePages<Item, Page extends CursorPage<Item> = CursorPage<Item>>(
  path: ((cursor: string | undefined) => string) | undefined,
): Paged<Item, Page> {
  const [pages, setPages] = useState<readonly Page[]>();
  const [error, setError] = useState<ApiError>();
  const [isLoading, setLoading] = useState(true);
  const running = useRef<AbortController>(null);

  const load = useCallback(
    async (cursor: string | undefined) => {
      running.current?.abort();
      if (path === undefined) return;
      const controller = new AbortController();
      running.current = controller;
      setLoading(true);
      try {
        const page = await read<Page>(path(cursor), controller.signal);
        if (controller.signal.aborted) return;
        setPages((before) => (cursor === undefined ? [page] : [...(before ?? []), page]));
        setError(undefined);
      } catch (failure) {
        if (controller.signal.aborted) return;
        setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      }
      setLoading(false);
    },
    [path],
  );

  useEffect(() => {
    setPages(undefined);
    setError(undefined);
    void load(undefined);
    return () => running.current?.abort();
  }, [load]);

  useSignedIn(() => {
    if (error?.status === 401) void load(undefined);
  });

  const last = pages?.at(-1);
  const cursor = last?.cursor ?? undefined;
  return {
    items: pages?.flatMap(({ items }) => items),
    pages: pages ?? [],
    last,
    error,
    isLoading,
    hasMore: cursor !== undefined,
    more: () => (cursor === undefined ? Promise.resolve() : load(cursor)),
    reload: () => load(undefined),
  };
}

/** Says how many items of a list are shown, and has a button for more. */
export function Pager<Item, Page>(props: {
  readonly list: Paged<Item, Page>;
  /** What the items are: `events`. */
  readonly noun: string;
  /** What one of them is: `event`. */
  readonly one?: string | undefined;
  /** How many there are in all, where that is known. */
  readonly total?: number | undefined;
}): VNode | null {
  const { list, noun, one = noun, total } = props;
  if (list.items === undefined) return null;
  const count = formatCount(list.items.length);
  return (
    <div class="more">
      <span role="status">
        {total === undefined
          ? `${count} ${list.items.length === 1 ? one : noun} shown${list.hasMore ? "; there are more" : ""}`
          : `${count} of ${formatCount(total)} ${noun} shown`}
      </span>
      {list.hasMore && (
        <Button small disabled={list.isLoading} onClick={() => void list.more()}>
          {list.isLoading ? "Loading…" : "Show more"}
        </Button>
      )}
    </div>
  );
}
