import { setTimeout as sleep } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { once, outbox } from "@busbar/outbox";
import { openDatabase } from "./database.ts";

const [file = "", schema = "", order = "", dieAt = ""] = process.argv.slice(2);
const { store, close } = await openDatabase(file, schema);
const plugin = outbox({ store, relay: { leaseMs: 500, pollEveryMs: 200 } });
const bus = createEventBus({ provider: localProvider(), plugins: [plugin] });

/** The process ends as by a power cut. */
function dieIf(point: string): void {
  if (point === dieAt) process.kill(process.pid, "SIGKILL");
}

bus.subscribe<{ order: string }>(
  "order.placed",
  once(
    async ({ data }, { tx }) => {
      await store.within(tx).execute("INSERT INTO ledger VALUES ($1)", [data.order]);
      if (data.order === order) dieIf("in the handler");
    },
    { store },
  ),
  { subscriberId: "ledger", attempts: 3 },
);
await bus.start();
await untilNothingIsPending();

if (order !== "") {
  if (dieAt === "after the commit") await plugin.pause();
  await store.transaction(async (tx) => {
    await store.within(tx).execute("INSERT INTO orders VALUES ($1)", [order]);
    await bus.withTransaction(tx).emit("order.placed", { order });
    dieIf("before the commit");
  });
  dieIf("after the commit");
}

await untilNothingIsPending();
await bus.stop();
await close();

/** On a provider in memory, an event is pending until it is handled. */
async function untilNothingIsPending(): Promise<void> {
  while ((await plugin.inspect()).pending > 0) await sleep(20);
}
