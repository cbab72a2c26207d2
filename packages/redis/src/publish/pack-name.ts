import type { Envelope } from "@busbar/core/provider";
import { encodeLabel } from "../key-text.ts";

/** What dashboards show of a pack: the name of its events, or the first and how many others there are. */
export function packName(events: readonly Pick<Envelope, "name">[]): string {
  const first = events[0]?.name ?? "";
  const isOne = events.every(({ name }) => name === first);
  return encodeLabel(isOne ? first : `${first} +${events.length - 1}`);
}
