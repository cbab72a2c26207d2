import type { Delivery, Settlement } from "@busbar/core/provider";
import { ACK, dead, retry } from "./builders.ts";

/** What becomes of an event by its number, which is its data. */
export type Fate = "handled" | "handled at the second attempt" | "dead";

const FATES: readonly Fate[] = ["handled", "handled at the second attempt", "dead"];

/** The fate of an event: each has a third of them. */
export function fateOf(number: number): Fate {
  return FATES[number % FATES.length] ?? "handled";
}

/** Settles a delivery so that its event comes to its fate. */
export function settleByFate({ envelope, state }: Delivery): Settlement {
  const fate = fateOf(Number(envelope.data));
  if (fate === "dead") return dead(fate);
  return fate === "handled" || state !== undefined ? ACK : retry(0, { runs: 1 });
}
