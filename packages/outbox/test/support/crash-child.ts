// A shop that stages, relays, releases, clears and handles, and that kills itself at one point of it.
import { appendFileSync, writeSync } from "node:fs";
import { createEventBus } from "@busbar/core";
import type { SqlExecutor } from "@busbar/sql";
import { once } from "../../src/inbox.ts";
import { outbox } from "../../src/outbox.ts";
import type { OutboxStore } from "../../src/outbox-store.ts";
import { type CrashBroker, crashProvider } from "./crash-provider.ts";
import { openStore } from "./open-store.ts";
import { STANDS_STILL } from "./stands-still.ts";
import { until } from "./until.ts";
import { wrapped } from "./wrapped.ts";

/** What the parent says. */
interface CrashOptions {
  readonly connection: { readonly url?: string; readonly schema?: string; readonly file?: string };
  /** Each run of a handler adds the id of its event. */
  readonly runsFile: string;
  readonly broker: CrashBroker;
  /** At which point to die, or undefined to name them all. */
  readonly dieAt: string | undefined;
  /** Whether it stands still there, instead of dying. */
  readonly freezes?: boolean;
}

const { connection, runsFile, broker, dieAt, freezes } = JSON.parse(
  process.argv[2] ?? "",
) as CrashOptions;
const prefix = connection.schema === undefined ? "" : `${connection.schema}.`;
const points = new Set<string>();

function point(name: string): void {
  points.add(name);
  if (name !== dieAt) return;
  if (freezes) say(STANDS_STILL);
  process.kill(process.pid, freezes ? "SIGSTOP" : "SIGKILL");
}

/** Says something to the parent, before anything else happens. */
function say(text: string): void {
  writeSync(1, `${text}\n`);
}

function kindOf(sql: string): string {
  const text = sql.replaceAll(/\s+/g, " ");
  if (text.includes("INTO effects") || text.includes(".effects")) return "effect";
  if (text.includes("INTO orders") || text.includes(".orders")) return "order";
  if (text.includes("busbar_inbox")) return "mark in the inbox";
  if (text.includes("advisory")) return "lock";
  if (text.includes("INSERT INTO")) return text.includes("'staged'") ? "stage in group" : "stage";
  if (text.includes("due AS")) return "claim";
  if (text.includes("SET state = 'marked'")) return "mark group";
  if (text.includes("state = 'marked' AND group_id") && text.includes("UPDATE"))
    return "claim group";
  if (text.includes("DELETE") && text.includes("state = 'marked' RETURNING"))
    return "take out of group";
  if (text.includes("DELETE") && text.includes("'staged', 'marked'")) return "clear group";
  if (/DELETE FROM \S+ WHERE id (IN|= ANY)/.test(text)) return "delete";
  return "other";
}

function killing<Tx>(store: OutboxStore<Tx>, who: string): OutboxStore<Tx> {
  const watch = (executor: SqlExecutor): SqlExecutor => ({
    async execute(sql, parameters) {
      const kind = `${who}: ${kindOf(sql)}`;
      if (kind.endsWith("other")) return executor.execute(sql, parameters);
      point(`before ${kind}`);
      const rows = await executor.execute(sql, parameters);
      point(`after ${kind}${rows.length > 0 ? ", with rows" : ""}`);
      return rows;
    },
  });
  return {
    ...store,
    ...watch(store),
    within: (tx) => watch(store.within(tx)),
    async transaction(work) {
      let name = `${who}: commit`;
      const result = await store.transaction(async (tx) => {
        const value = await work(tx);
        const isEmpty = typeof value === "object" && value && "rows" in value;
        name += isEmpty ? ` of claim` : "";
        point(`before ${name}`);
        return value;
      });
      point(`after ${name}`);
      return result;
    },
  };
}

const inner = crashProvider(broker);
const bus = createEventBus({
  name: broker.name,
  provider: {
    ...wrapped(inner),
    publish: async (batch, options) => {
      point("before publish");
      const results = await inner.publish(batch, options);
      point("after publish");
      return results;
    },
  },
  plugins: [
    outbox({ store: killing(await openStore(connection), "outbox"), relay: { leaseMs: 300 } }),
  ],
});
const inboxStore = killing(await openStore(connection), "inbox");
const seen = new Set<string>();
const effect = `INSERT INTO ${prefix}effects VALUES ($1)`;
if (freezes) {
  // An inbox would keep the mark of an event that others are to handle.
  bus.subscribe(
    "**",
    async ({ id }) => {
      await inboxStore.execute(effect, [id]);
      seen.add(id);
    },
    { subscriberId: "ledger" },
  );
} else {
  bus.subscribe(
    "**",
    once(
      async (event, { tx }) => {
        appendFileSync(runsFile, `${event.id}\n`);
        await inboxStore.within(tx).execute(effect, [event.id]);
        seen.add(event.id);
      },
      { store: inboxStore },
    ),
    { subscriberId: "ledger" },
  );
}
await bus.start();

const shop = killing(await openStore(connection), "shop");
for (const id of ["order-1", "order-2"]) {
  await shop.transaction(async (tx) => {
    await shop.within(tx).execute(`INSERT INTO ${prefix}orders VALUES ($1)`, [id]);
    // Its statement is the shop's, too: the bus's own store has no say in this transaction.
    await bus.withTransaction(tx).emit([
      { name: "order.placed", data: {}, id },
      { name: "order.counted", data: {}, id: `${id}-counted` },
    ]);
  });
  say(`committed ${id}`);
}
const grouped = (id: string, eventGroupId: string): object => ({
  name: "grouped",
  data: {},
  id,
  metadata: { eventGroupId },
});
await bus.emit(["g-1", "g-2"].map((id) => grouped(id, "g")) as never);
say("staged g");
await bus.emit([grouped("h-1", "h")] as never);
say("staged h");
await bus.releaseGroupedEvents("g");
say("released g");
await bus.clearGroupedEvents("h");
say("cleared h");
await until(() => seen.size === 6, "six events");
await bus.stop();
if (dieAt === undefined) say(`points ${JSON.stringify([...points])}`);
process.exit(0);
