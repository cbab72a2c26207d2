import { type OutboxStore, sqliteStore } from "@busbar/outbox";

/** Opens a database in a file. */
export function storeOf(file: string): OutboxStore<never> {
  return sqliteStore({ file }) as OutboxStore<never>;
}
