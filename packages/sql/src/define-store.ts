import { safeExecutor, safely, safelyAround, safeListen } from "./safe-statements.ts";
import type { SqlStore } from "./store.ts";

/** What a store is made of. */
export interface StoreParts<Tx> extends Omit<SqlStore<Tx>, "close"> {
  /** Closes what the store itself has opened. By default nothing. */
  close?(): Promise<void>;
}

/**
 * Makes a store, for a driver or query builder that has none here. Errors of its statements lose what must not be
 * logged: statements, parameters, and values of rows.
 *
 * @example
 * ```ts
 * defineStore<MyTransaction>({ dialect: "postgres", schema: undefined, within, execute, transaction });
 * ```
 */
export function defineStore<Tx>(parts: StoreParts<Tx>): SqlStore<Tx> {
  return {
    ...parts,
    execute: (sql, parameters, options) => safely(() => parts.execute(sql, parameters, options)),
    within: (transaction) => safeExecutor(parts.within(transaction)),
    transaction: (work, options) =>
      safelyAround((within) => parts.transaction(within, options), work),
    listen: parts.listen && safeListen(parts.listen),
    close: () => safely(async () => parts.close?.()),
  };
}
