import type { VNode } from "preact";
import { formatAgo, formatExact } from "../format.ts";
import { useNow } from "../now.tsx";

/** A time, as how long ago it is. The exact time shows when the pointer rests on it. */
export function Time(props: { readonly at: number | string | Date }): VNode {
  const at = new Date(props.at).getTime();
  // The clock of the page moves in steps: what has just come must not lie in the future.
  const now = Math.max(useNow(), Math.min(at, Date.now()));
  return (
    <time class="nowrap" dateTime={new Date(at).toISOString()} title={formatExact(at)}>
      {formatAgo(at, now)}
    </time>
  );
}
