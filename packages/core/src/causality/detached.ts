import { AsyncResource } from "node:async_hooks";

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
