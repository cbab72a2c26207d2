import { setTimeout as sleep } from "node:timers/promises";
import { createEventBus, type EventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { outbox, type Outbox, type OutboxOptions } from "../../src/outbox.ts";
import type { TestDatabase } from "./stores.ts";

/** An instance of an application with an outbox. */
export interface Shop {
  readonly bus: EventBus;
  readonly plugin: Outbox;
}

/** Starts an instance. Its only subscriber calls `onEvent`. */
export async function startShop(
  database: TestDatabase,
  onEvent: (event: { readonly id: string; readonly data: unknown }) => void | Promise<void>,
  options: Partial<OutboxOptions<never>> & { readonly provider?: EventProvider } = {},
): Promise<Shop> {
  const { provider = localProvider(), ...rest } = options;
  const plugin = outbox({ store: database.createStore(), ...rest });
  const bus = createEventBus({ provider, plugins: [plugin] });
  bus.subscribe("**", onEvent, { subscriberId: "all", ordering: "key" });
  await bus.start();
  return { bus, plugin };
}

/** What {@link write} does. */
export interface WriteOptions {
  readonly transactions: number;
  /** The share of the commits that are slow, and for how long at most. */
  readonly slow: number;
  readonly slowMs: number;
  /** The share that is rolled back. */
  readonly rolledBack: number;
}

/** Emits in transactions, some of which commit late or not at all. Resolves with the committed ids. */
export async function write(
  database: TestDatabase,
  bus: EventBus,
  options: WriteOptions,
): Promise<readonly string[]> {
  const committed: string[] = [];
  for (let each = 0; each < options.transactions; each += 1) {
    const count = 1 + Math.floor(Math.random() * 3);
    const messages = Array.from({ length: count }, () => ({ name: "a", data: each }));
    let ids: readonly string[] = [];
    const isRolledBack = Math.random() < options.rolledBack;
    await database
      .transaction(async (tx) => {
        ids = await bus.withTransaction(tx).emit(messages);
        if (Math.random() < options.slow) await sleep(Math.random() * options.slowMs);
        if (isRolledBack) throw new Error("rolled back");
      })
      .catch((error: unknown) => {
        if (!isRolledBack) throw error;
      });
    if (!isRolledBack) committed.push(...ids);
  }
  return committed;
}
