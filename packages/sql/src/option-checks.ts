import { type Check, type Checks, checks } from "@busbar/core/provider";
import type { AdapterOptions, SqlStore, StoreOptions } from "./store.ts";

/** Checks the options that every store has. */
export const storeOptions: Checks<StoreOptions> = { schema: checks.text };

/** Checks the options that a store has which goes through a query builder or an ORM. */
export const adapterOptions: Checks<AdapterOptions> = {
  ...storeOptions,
  dialect: checks.oneOf("postgres", "sqlite"),
  listen: checks.function,
};

/** Checks the option of a feature that is a store. */
export const checkStore: Check = methodsOf("a store, such as pgStore({ pool })", [
  "execute",
  "transaction",
  "within",
] satisfies (keyof SqlStore)[]);

/** Says in an error what a feature needs. */
export const NEEDS_STORE = { store: "such as pgStore({ pool })" } as const;

/**
 * Checks that a value has the methods that are called. It may be a function, as some clients are.
 *
 * @param what What it must be, such as `a pool of pg`.
 */
export function methodsOf(what: string, methods: readonly string[]): Check {
  return (value) =>
    methods.every(
      (method) => typeof (value as Record<string, unknown> | null)?.[method] === "function",
    )
      ? undefined
      : `must be ${what}`;
}
