import type { SharedRates } from "@busbar/core/provider";

/** Ways in which counting runs can be wrong. */
export type RatesMistake =
  | "counts each instance alone"
  | "counts no reserved start that lies ahead"
  | "reserves starts beyond the horizon"
  | "says nothing of the next time to ask"
  | "counts all subscriptions as one"
  | "counts at most as many starts as the last process asked for";

/** Counts runs in memory, and may be wrong. Each call makes another instance on the same counts. */
export function createMapRates(mistake?: RatesMistake): () => SharedRates {
  const shared = new Map<string, number[]>();
  return () => {
    const counts = mistake === "counts each instance alone" ? new Map<string, number[]>() : shared;
    return {
      async reserve(subscriptionId, { max, perMs, count, horizonMs }) {
        const id = mistake === "counts all subscriptions as one" ? "all" : subscriptionId;
        const now = performance.now();
        let starts = counts.get(id) ?? [];
        if (mistake === "counts at most as many starts as the last process asked for") {
          starts = starts.slice(-max);
        }
        const ahead = mistake === "counts no reserved start that lies ahead";
        if (ahead) starts = starts.filter((at) => at <= now);
        counts.set(id, starts);
        const limit = mistake === "reserves starts beyond the horizon" ? Infinity : horizonMs;
        const waitsMs: number[] = [];
        while (waitsMs.length < count) {
          const at = Math.max(now, (starts.at(-max) ?? -Infinity) + perMs);
          if (at - now > limit) {
            if (mistake === "says nothing of the next time to ask") return { waitsMs };
            return { waitsMs, retryAfterMs: at - now - horizonMs };
          }
          starts.push(at);
          starts.sort((a, b) => a - b);
          waitsMs.push(at - now);
        }
        return { waitsMs };
      },
    };
  };
}
