import { inbox } from "./inbox.ts";
import type { OutboxStore } from "./store.ts";

/** What a store is made of. */
export type StoreParts<Tx> = Omit<OutboxStore<Tx>, "createInbox">;

/**
 * Makes a store, for a driver or query builder that has none here.
 *
 * @example
 * ```ts
 * defineStore<MyTransaction>({ dialect: "postgres", schema: undefined, within, execute, transaction });
 * ```
 */
export function defineStore<Tx>(parts: StoreParts<Tx>): OutboxStore<Tx> {
  return {
    ...parts,
    createInbox() {
      return inbox({ store: this });
    },
  };
}
