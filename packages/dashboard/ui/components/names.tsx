import type { VNode } from "preact";
import { formatCount } from "../format.ts";

/** Names and patterns of events: the first three, and how many more there are. */
export function Names({ names }: { readonly names: readonly string[] }): VNode {
  const shown = names.slice(0, 3);
  return (
    <span title={names.join(", ")}>
      {shown.map((name) => (
        <code key={name} class="name">
          {name}
        </code>
      ))}
      {names.length > shown.length && (
        <span class="muted small">and {formatCount(names.length - shown.length)} more</span>
      )}
    </span>
  );
}
