import { createMemoryProvider } from "@busbar/core/memory";
import { assertOptions, type EventProvider } from "@busbar/core/provider";
import { EventEmitter } from "eventemitter3";
import { optionChecks } from "./options-schema.ts";

/** Options of {@link localProvider}. */
export interface LocalProviderOptions {
  /**
   * Deliveries that may wait in one subscription, those of a later time included. An emit waits for
   * room for `emitTimeoutMs`, then rejects with `BUSBAR_OVERLOADED`; one inside a handler never waits.
   *
   * @default 100_000
   */
  readonly maxPending?: number | undefined;
  /**
   * Milliseconds for which a subscription remembers a `deduplicationId`.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
}

/**
 * Makes a provider that carries events inside this process. What has not been handled is gone with
 * the process.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider: localProvider() });
 * ```
 */
export function localProvider(options: LocalProviderOptions = {}): EventProvider {
  assertOptions("localProvider()", options, optionChecks);
  const { maxPending, deduplicationWindowMs } = options;
  const channel = new EventEmitter();
  return createMemoryProvider({ name: "local", channel, maxPending, deduplicationWindowMs });
}
