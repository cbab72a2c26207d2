import type { ComponentChildren, VNode } from "preact";

/** What a badge, a message or a button says by its colour. The text must say the same. */
export type Tone = "good" | "warn" | "bad" | "info" | "plain";

/** A word or two about the state of something. */
export function Badge(props: {
  readonly tone?: Tone;
  readonly children: ComponentChildren;
}): VNode {
  const { tone = "plain", children } = props;
  return <span class={`badge badge-${tone}`}>{children}</span>;
}
