import type { InspectedInstance } from "./inspected.ts";
import type { Rates } from "../contract/api.ts";

/** Milliseconds between two looks at an instance that say something about its pace. */
const LEAST_MS = 900;

interface Seen {
  readonly at: number;
  readonly counts: Rates;
  readonly rates: Rates;
}

const NONE: Rates = { emitted: 0, delivered: 0, failed: 0, dead: 0 };
const NAMES = ["emitted", "delivered", "failed", "dead"] as const;

/** Makes events per second of what instances have counted since their start: each reports every few seconds. */
export class InstanceRates {
  #seen = new Map<string, Seen>();

  /** The sum over all instances, as of their last reports. */
  update(instances: readonly InspectedInstance[]): Rates {
    // Instances that are gone are forgotten.
    this.#seen = new Map(
      instances.map((instance) => [
        instance.instanceId,
        nextSeen(this.#seen.get(instance.instanceId), instance),
      ]),
    );
    const sum = { ...NONE };
    for (const { rates } of this.#seen.values()) {
      for (const name of NAMES) sum[name] += rates[name];
    }
    return mapRates((name) => Number(sum[name].toFixed(3)));
  }
}

function nextSeen(last: Seen | undefined, { seenAt, counters }: InspectedInstance): Seen {
  const { emitted, acknowledged: delivered, failed, dead } = counters;
  const counts = { emitted, delivered, failed, dead };
  const at = seenAt.getTime();
  if (!last) return { at, counts, rates: NONE };
  const ms = at - last.at;
  // The same report again, or one right after it. A clock may also have been set back.
  if (ms >= 0 && ms < LEAST_MS) return last;
  if (ms < 0) return { at, counts, rates: NONE };
  const rates = mapRates((name) => (Math.max(0, counts[name] - last.counts[name]) * 1_000) / ms);
  return { at, counts, rates };
}

function mapRates(rateOf: (name: keyof Rates) => number): Rates {
  return {
    emitted: rateOf("emitted"),
    delivered: rateOf("delivered"),
    failed: rateOf("failed"),
    dead: rateOf("dead"),
  };
}
