import type { ConformanceMode } from "./mode.ts";

/**
 * How much the fault cases put on a durable provider, and for how long they break it. What is given
 * here counts in every mode.
 */
export interface FaultLoad {
  /**
   * Events that are emitted while the broker restarts, is cut off or goes silent.
   *
   * @default 900, and 10_000 under stress
   */
  readonly events?: number | undefined;
  /**
   * Publishers that emit them, each one event after the other.
   *
   * @default 20, and 100 under stress
   */
  readonly publishers?: number | undefined;
  /**
   * Milliseconds for which the connection is cut, and for which a broker hangs.
   *
   * @default 300, and 5_000 under stress
   */
  readonly cutMs?: number | undefined;
  /**
   * Milliseconds for which connections that have gone silent stay so, at least. It is longer where the
   * provider needs longer to notice.
   *
   * @default 0, and 30_000 under stress
   */
  readonly halfOpenMs?: number | undefined;
}

/** A load whose figures are all known. */
export type FullLoad = { readonly [Figure in keyof FaultLoad]-?: number };

const DEFAULTS: Readonly<Record<ConformanceMode, FullLoad>> = {
  quick: { events: 900, publishers: 20, cutMs: 300, halfOpenMs: 0 },
  stress: { events: 10_000, publishers: 100, cutMs: 5_000, halfOpenMs: 30_000 },
};

/**
 * Fills in what the harness leaves open.
 *
 * @throws TypeError when a figure is not a whole number, or none of events or publishers is left.
 */
export function readLoad(given: FaultLoad = {}, mode: ConformanceMode): FullLoad {
  const { events, publishers, cutMs, halfOpenMs } = DEFAULTS[mode];
  const load: FullLoad = {
    events: given.events ?? events,
    publishers: given.publishers ?? publishers,
    cutMs: given.cutMs ?? cutMs,
    halfOpenMs: given.halfOpenMs ?? halfOpenMs,
  };
  for (const [name, value] of Object.entries(load)) {
    const least = name.endsWith("Ms") ? 0 : 1;
    if (!Number.isInteger(value) || value < least) {
      throw new TypeError(`load.${name} must be a whole number from ${least}, not ${value}`);
    }
  }
  return load;
}
