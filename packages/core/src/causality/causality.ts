import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

import type { Envelope } from "../contract/provider.ts";
import type { Logger } from "../contract/logger.ts";
import type { Issue } from "../contract/issue.ts";
import { quoted } from "../errors/quoted.ts";
import { sharedByCopies } from "../values/copies.ts";

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

/** One for both, and for all copies of this package: each costs every promise of the process something. */
const current = sharedByCopies(
  "current-run",
  () => new AsyncLocalStorage<CurrentRun | CurrentPart>(),
);
const scopesUndoEntering = doScopesUndoEntering();

/** Runs `callback` as part of a handler's run: what it emits was caused by that run's event. */
export const runCausedBy: <R extends CurrentRun, T>(run: R, callback: (run: R) => T) => T = within;

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
function within<S extends CurrentRun | CurrentPart, T>(store: S, callback: (store: S) => T): T {
  if (!scopesUndoEntering) return current.run(store, callback, store);
  return new AsyncResource("BusbarRun").runInAsyncScope(enter, undefined, store, callback) as T;
}

function enter<S extends CurrentRun | CurrentPart>(
  store: S,
  callback: (store: S) => unknown,
): unknown {
  current.enterWith(store);
  return callback(store);
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

/** As it is where this module was loaded: in a program, in no request of anybody's. */
const outside = new AsyncResource("BusbarOutside");

/**
 * Makes a scope outside of the async context of whoever happens to call: for what goes on after the call has
 * returned, such as a loop or a timer. Else everything that it does, for whomever, would find the caller's
 * `AsyncLocalStorage`.
 */
export function detachedScope(): AsyncResource {
  // One each: what is entered in one scope must not be found in another.
  return outside.runInAsyncScope(() => new AsyncResource("BusbarDetached"));
}

/** Calls back in a {@link detachedScope}. */
export function detached<T>(callback: () => T): T {
  return detachedScope().runInAsyncScope(callback);
}

/** Events from the first cause to one that is warned of. */
const WARNED_DEPTH = 1_000;

/** What a {@link CausationDepth} needs. */
export interface CausationDepthOptions {
  readonly logger: Logger;
  /** Deeper events are refused. */
  readonly maxCausationDepth: number | undefined;
}

/** Knows how many causes stand before an event, and guards against handlers that emit without end. */
export class CausationDepth {
  readonly #options: CausationDepthOptions;
  /** Subscriptions that were warned of: no more than there are. */
  readonly #warned = new Set<string>();

  constructor(options: CausationDepthOptions) {
    this.#options = options;
  }

  /** The depth of what is emitted in a run. Adds an issue when it is beyond the limit. */
  in(run: CurrentRun, at: string, issues: Issue[]): number {
    const { causationDepth } = run.envelope.metadata;
    const depth = (typeof causationDepth === "number" ? causationDepth : 0) + 1;
    if (depth >= WARNED_DEPTH) this.#warn(run, depth);
    const most = this.#options.maxCausationDepth;
    if (most !== undefined && depth > most) {
      issues.push({
        path: `${at}metadata.causationDepth`,
        reason: `would be ${depth}, and maxCausationDepth is ${most}: subscriber ${quoted(run.subscriberId)} handles what follows from its own events`,
      });
    }
    return depth;
  }

  #warn({ subscriberId, envelope }: CurrentRun, causationDepth: number): void {
    if (this.#warned.has(subscriberId)) return;
    this.#warned.add(subscriberId);
    const { id: eventId, name: event } = envelope;
    this.#options.logger.warn(
      { subscriberId, event, eventId, causationDepth },
      `Subscriber ${quoted(subscriberId)} emits an event that has ${causationDepth} causes before it: if that is a loop, set maxCausationDepth`,
    );
  }
}
