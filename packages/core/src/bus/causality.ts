import { AsyncLocalStorage } from "node:async_hooks";

import type { Envelope } from "../contracts/provider.ts";

/** The run of a handler that the current code belongs to. */
export interface CurrentRun {
  /** The bus that runs it: only that bus lets its emits pass without waiting for room. */
  readonly bus: object;
  /** The event that it handles. */
  readonly envelope: Envelope;
}

const current = new AsyncLocalStorage<CurrentRun>();

/** Runs `callback` as part of a handler's run: what it emits was caused by that run's event. */
export function runCausedBy<T>(run: CurrentRun, callback: () => T): T {
  return current.run(run, callback);
}

/** The handler's run that the caller is part of, if any. */
export function currentRun(): CurrentRun | undefined {
  return current.getStore();
}
