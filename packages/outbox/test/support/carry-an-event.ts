import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { inbox } from "../../src/inbox.ts";
import { outbox } from "../../src/outbox.ts";
import type { OutboxStore } from "../../src/outbox-store.ts";
import type { TestDatabase } from "./stores.ts";
import { until } from "./until.ts";

/** Has a bus with outbox and inbox carry an event from a transaction to a handler. */
export async function carryAnEvent(
  database: TestDatabase,
  options: { readonly store: OutboxStore<never>; readonly migrate: boolean },
): Promise<void> {
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [outbox(options), inbox(options)],
  });
  const seen: unknown[] = [];
  bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "all" });
  await bus.start();
  await database.transaction((tx) => bus.withTransaction(tx).emit("a", 1));
  await until(() => seen.length === 1, "the event");
  await bus.stop();
}
