import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import {
  type EventProvider,
  type SubscriptionRegistry,
  type SubscriptionSpec,
  systemClock,
} from "@busbar/core/provider";
import pg from "pg";
import { afterAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { postgresProvider } from "../src/postgres-provider.ts";
import { schemaNameOf } from "../src/schema/schema-name.ts";

const connectionString = process.env["DATABASE_URL"] ?? "";
const admin = new pg.Pool({ connectionString });
afterAll(() => admin.end());

let name = "";
beforeEach(() => {
  name = `registry_${crypto.randomUUID().slice(0, 8)}`;
});

async function sql(text: string): Promise<readonly Record<string, unknown>[]> {
  return (await admin.query(text.replaceAll("its.", `${schemaNameOf(name)}.`))).rows;
}

function makeBus(options: Partial<EventBusOptions> = {}): EventBus {
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const provider = postgresProvider({ connectionString, pollEveryMs: 100 });
  const bus = createEventBus({ name, logger, provider, ...options });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  return bus;
}

function dropAtEnd(): void {
  onTestFinished(async () => void (await admin.query(`DROP SCHEMA ${schemaNameOf(name)} CASCADE`)));
}

test("an older release goes on to get the events of a subscription that a newer one has renamed", async () => {
  dropAtEnd();
  const seen: unknown[] = [];
  const older = makeBus();
  older.subscribe("e", ({ data }) => void seen.push(data), { subscriberId: "old" });
  await older.start();
  await older.emit("e", 1);
  const newer = makeBus({ role: "server" });
  newer.subscribe("e", () => {}, { subscriberId: "new", aliases: ["old"] });
  await newer.start();
  await newer.emit("e", 2);
  await vi.waitFor(() => expect(seen).toEqual([1, 2]), 5_000);
});

test("a transaction that was open during the renaming loses none of its events", async () => {
  dropAtEnd();
  const client = await admin.connect();
  onTestFinished(() => client.release());
  const seen: unknown[] = [];
  const older = makeBus({ role: "server" });
  older.subscribe("e", () => {}, { subscriberId: "old" });
  await older.start();
  await client.query("BEGIN");
  await older.withTransaction(client).emit("e", 1);
  const newer = makeBus();
  newer.subscribe("e", ({ data }) => void seen.push(data), {
    subscriberId: "new",
    aliases: ["old"],
  });
  await newer.start();
  await client.query("COMMIT");
  await vi.waitFor(() => expect(seen).toEqual([1]), 5_000);
});

test("suspects and dead letters in the queue of an earlier id move to the present one", async () => {
  dropAtEnd();
  const seen: unknown[] = [];
  const bus = makeBus();
  const handler = ({ data }: { readonly data: unknown }): void => void seen.push(data);
  bus.subscribe("e", handler, { subscriberId: "new", aliases: ["old"] });
  await bus.start();
  await bus.pause("new");
  await bus.emit("e", 1);
  // As a process of the older release leaves them that claims during the renaming, and dies.
  const old = "(SELECT number FROM its.queues WHERE subscription_id = 'old')";
  await sql(`INSERT INTO its.dead_letters (queue, envelope, reason, state, died_at)
    SELECT ${old}, body, 'failed', 'null', published_at FROM its.deliveries JOIN its.packs ON packs.id = pack`);
  await sql(`UPDATE its.deliveries SET queue = ${old}, suspicions = 1`);
  await bus.resume("new");
  await vi.waitFor(async () => {
    expect(seen).toEqual([1]);
    const { items } = await bus.deadLetters.list({ subscriberId: "new" });
    expect(items).toHaveLength(1);
  }, 5_000);
});

test("declaring again what is known changes nothing that publishes go by", async () => {
  dropAtEnd();
  const version = (): Promise<unknown> => sql("SELECT version FROM its.registry");
  const one = makeBus();
  one.subscribe("e", () => {}, { subscriberId: "s" });
  await one.start();
  const before = await version();
  const other = makeBus();
  other.subscribe("e", () => {}, { subscriberId: "s" });
  await other.start();
  expect(await version()).toEqual(before);
  other.subscribe("f", () => {}, { subscriberId: "s" });
  await other.emit("f", null);
  expect(await version()).not.toEqual(before);
});

test("a temporary subscription whose process has ended is forgotten with all that it has", async () => {
  dropAtEnd();
  const provider = postgresProvider({ connectionString }) as EventProvider & {
    readonly subscriptions: SubscriptionRegistry;
  };
  onTestFinished(() => provider.stop({ graceMs: 0 }));
  await provider.start({
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    clock: systemClock,
    namespace: name,
    instanceId: crypto.randomUUID(),
    deadLetters: { maxPerSubscription: 100, maxAgeMs: 86_400_000 },
    orphanedAfterMs: 86_400_000,
    report() {},
  });
  const spec = (subscriptionId: string, temporary: boolean): SubscriptionSpec => {
    const order = { ordering: "none", onOrderedFailure: "park" } as const;
    return { subscriptionId, events: ["e"], ...order, aliases: [], temporary };
  };
  await provider.subscriptions.declare([spec("lasting", false), spec("waits", true)]);
  const metadata = { created_at: 1, published_at: 1, correlationId: "1" };
  const envelope = { id: "1", name: "e", data: null, metadata };
  await provider.publish([envelope], { deadline: Infinity, inHandler: false });
  await sql(
    `UPDATE its.registry SET list = regexp_replace(list, '"lastSeenAt":\\d+', '"lastSeenAt":1', 'g')`,
  );
  await provider.subscriptions.declare([spec("lasting", false)]);
  const ids = (await provider.subscriptions.list()).map((it) => it.subscriptionId);
  expect(ids).toEqual(["lasting"]);
  expect(await sql("SELECT FROM its.deliveries")).toHaveLength(1);
});
