import type { VNode } from "preact";
import type { LiveState } from "../live.ts";
import { Badge, type Tone } from "./badge.tsx";

const words: Readonly<Record<LiveState, readonly [Tone, string]>> = {
  off: ["plain", "Stopped"],
  connecting: ["plain", "Connecting…"],
  live: ["good", "Live"],
  waiting: ["warn", "Connection lost; trying again"],
  paused: ["plain", "Paused while hidden"],
};

/** Says whether a page shows what happens as it happens. */
export function LiveBadge({ state }: { readonly state: LiveState }): VNode {
  const [tone, text] = words[state];
  return (
    <span role="status">
      <Badge tone={tone}>{text}</Badge>
    </span>
  );
}
