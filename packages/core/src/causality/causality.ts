import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

import type { Envelope } from "../contract/provider.ts";

/** The run of a handler that the current code belongs to. */
export interface CurrentRun {
  /** The bus that runs it: only that bus lets its emits pass without waiting for room. */
  readonly bus: object;
  /** The event that it handles. */
  readonly envelope: Envelope;
  /** The subscription that handles it. */
  readonly subscriberId: string;
  /** Whether the bus has ended it because the bus stops: it may use the bus no more. */
  readonly isCutShort: boolean;
}

/** Something smaller that the current code belongs to, such as a workflow's step. */
export interface CurrentPart {
  /** The handler's run that it is part of, if any. */
  readonly handlerRun: CurrentRun | undefined;
}

/** One for both: each costs every promise of the process something. */
const current = new AsyncLocalStorage<CurrentRun | CurrentPart>();
const scopesUndoEntering = doScopesUndoEntering();

/** Runs `callback` as part of a handler's run: what it emits was caused by that run's event. */
export const runCausedBy: <T>(run: CurrentRun, callback: () => T) => T = within;

/** Runs `callback` as a part of whatever handler's run the part says. */
export const runAsPart: <T>(part: CurrentPart, callback: () => T) => T = within;

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

/**
 * Calls back with `store` as the current one, in the async context of the caller.
 *
 * As `AsyncLocalStorage.run` does, which copies the context on its way in and once more on its way out where
 * Node keeps contexts as frames: for ten subscribers, a quarter of the time of an emit.
 */
function within<T>(store: CurrentRun | CurrentPart, callback: () => T): T {
  if (!scopesUndoEntering) return current.run(store, callback);
  return new AsyncResource("BusbarRun").runInAsyncScope(enter, undefined, store, callback) as T;
}

function enter(store: CurrentRun | CurrentPart, callback: () => unknown): unknown {
  current.enterWith(store);
  return callback();
}

/** Whether a resource's scope ends with the context that it began with: on Node 24, if not told otherwise. */
function doScopesUndoEntering(): boolean {
  const probe = new AsyncLocalStorage<boolean>();
  const resource = new AsyncResource("BusbarProbe");
  resource.runInAsyncScope(() => probe.enterWith(true));
  const isLeft = resource.runInAsyncScope(() => probe.getStore());
  probe.disable();
  return !isLeft;
}
