import { AsyncLocalStorage } from "node:async_hooks";

import type { Envelope } from "../contracts/provider.ts";

/** The run of a handler that the current code belongs to. */
export interface CurrentRun {
  /** The bus that runs it: only that bus lets its emits pass without waiting for room. */
  readonly bus: object;
  /** The event that it handles. */
  readonly envelope: Envelope;
}

/** Something smaller that the current code belongs to, such as a workflow's step. */
export interface CurrentPart {
  /** The handler's run that it is part of, if any. */
  readonly handlerRun: CurrentRun | undefined;
}

/** One for both: each costs every promise of the process something. */
const current = new AsyncLocalStorage<CurrentRun | CurrentPart>();

/** Runs `callback` as part of a handler's run: what it emits was caused by that run's event. */
export function runCausedBy<T>(run: CurrentRun, callback: () => T): T {
  return current.run(run, callback);
}

/** Runs `callback` as a part of whatever handler's run the part says. */
export function runAsPart<T>(part: CurrentPart, callback: () => T): T {
  return current.run(part, callback);
}

/** The handler's run that the caller is part of, if any. */
export function currentRun(): CurrentRun | undefined {
  const store = current.getStore();
  return store && "handlerRun" in store ? store.handlerRun : store;
}

/** The part that the caller belongs to, if any. */
export function currentPart(): CurrentPart | undefined {
  const store = current.getStore();
  return store && "handlerRun" in store ? store : undefined;
}
