import { EventEmitter, once } from "node:events";
import { createEventBus, type EventBus } from "@busbar/core";
import pg from "pg";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { postgresProvider } from "../src/postgres-provider.ts";
import { schemaNameOf } from "../src/schema/schema-name.ts";

const connectionString = process.env["DATABASE_URL"] ?? "";
const admin = new pg.Pool({ connectionString });
afterAll(() => admin.end());

/** A bus of a test's own, and SQL in its schema. */
function makeBus(): { readonly bus: EventBus; sql(text: string): Promise<pg.QueryResult> } {
  const name = `packs_${crypto.randomUUID().slice(0, 8)}`;
  const schema = schemaNameOf(name);
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const bus = createEventBus({ name, logger, provider: postgresProvider({ connectionString }) });
  onTestFinished(async () => {
    await bus.stop({ graceMs: 0 });
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  });
  return { bus, sql: (text) => admin.query(text.replaceAll("its.", `${schema}.`)) };
}

function messages(count: number): readonly { name: string; data: number }[] {
  return Array.from({ length: count }, (_, data) => ({ name: "e", data }));
}

test("events of one emit share packs, and no pack is left when all are done", async () => {
  const { bus, sql } = makeBus();
  const seen: unknown[] = [];
  for (const subscriberId of ["one", "other"]) {
    bus.subscribe<number>("e", ({ data }) => void seen.push(data), { subscriberId });
  }
  await bus.start();
  await bus.pause("one");
  await bus.emit(messages(120));
  expect((await sql("SELECT FROM its.packs")).rowCount).toBe(3);
  await bus.resume("one");
  await vi.waitFor(async () => {
    expect(seen).toHaveLength(240);
    expect((await sql("SELECT FROM its.packs")).rowCount).toBe(0);
  });
  expect((await sql("SELECT FROM its.deliveries")).rowCount).toBe(0);
});

test("an event that cannot be read is a dead letter as it is, and holds up no other", async () => {
  const { bus, sql } = makeBus();
  const seen: unknown[] = [];
  bus.subscribe<number>("e", ({ data }) => void seen.push(data), { subscriberId: "s" });
  await bus.start();
  await bus.pause("s");
  await bus.emit(messages(3));
  await sql(`UPDATE its.packs SET body = replace(body, '"data":1', '"data":')`);
  await bus.resume("s");
  await vi.waitFor(async () => {
    expect(seen).toEqual([0, 2]);
    const { items } = await bus.deadLetters.list({ subscriberId: "s" });
    expect(items).toMatchObject([{ reason: "corrupt", event: { name: "unreadable" } }]);
  });
  const { items } = await bus.deadLetters.list({ subscriberId: "s" });
  expect(await bus.deadLetters.replay("s", [items[0]?.id ?? ""])).toBe(0);
  expect(await bus.deadLetters.discard("s", [items[0]?.id ?? ""])).toBe(1);
});

test("handlers that take long leave the rest of a pack to other processes", async () => {
  const { bus } = makeBus();
  const gate = new EventEmitter();
  let begun = 0;
  const handler = async (): Promise<void> => {
    begun += 1;
    if (begun <= 2) await once(gate, "open");
  };
  bus.subscribe("e", handler, { subscriberId: "s", concurrency: 2 });
  await bus.start();
  await bus.emit(messages(20));
  await vi.waitFor(() => expect(begun).toBe(2));
  const [numbers] = (await bus.inspect()).subscriptions;
  expect(numbers).toMatchObject({ ready: 18, inFlight: 2 });
  gate.emit("open");
  await bus.settled();
  expect(begun).toBe(20);
});
