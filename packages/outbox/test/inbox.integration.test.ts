import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cleanInbox, inbox, once } from "../src/inbox.ts";
import { migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { databases, postgresDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

describe.each(databases)("the inbox on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let store: OutboxStore<never>;
  let bus: EventBus;

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
    await migrate(store);
    await database.query("CREATE TABLE effects (event_id text)");
  });

  afterEach(async () => {
    await bus.stop({ graceMs: 500 });
    await database.close();
  });

  const effect = (tx: unknown, id: string): Promise<unknown> =>
    store.within(tx as never).execute(`INSERT INTO ${database.prefix}effects VALUES ($1)`, [id]);
  const count = async (table: string): Promise<number> =>
    (await database.query(`SELECT * FROM ${table}`)).length;

  test("once() handles an event that comes twice once, and per subscription", async () => {
    bus = createEventBus({ provider: localProvider() });
    const handle = once((event, { tx }) => void effect(tx, event.id), { store });
    bus.subscribe("a", handle, { subscriberId: "one" });
    bus.subscribe("a", handle, { subscriberId: "two" });
    await bus.start();
    for (let times = 0; times < 5; times += 1) await bus.emit({ name: "a", data: 1, id: "x" });
    await bus.emit({ name: "a", data: 1, id: "y" });
    await bus.settled();
    expect(await count("effects")).toBe(4);
    expect(await count("busbar_inbox")).toBe(4);
  });

  test("a handler that fails, or is too late, leaves neither effect nor mark", async () => {
    bus = createEventBus({ provider: localProvider() });
    const attempts: number[] = [];
    bus.subscribe(
      "a",
      once(
        async (event, { tx, attempt }) => {
          attempts.push(attempt);
          await effect(tx, event.id);
          if (attempt === 1) throw new Error("again");
          if (attempt === 2) await new Promise((resolve) => setTimeout(resolve, 150));
        },
        { store },
      ),
      { subscriberId: "one", attempts: 3, timeoutMs: 100, backoff: 100 },
    );
    await bus.start();
    await bus.emit("a", 1);
    await until(() => attempts.length === 2, "two attempts");
    expect(await count("busbar_inbox")).toBe(0);
    await bus.settled();
    expect(attempts).toEqual([1, 2, 3]);
    expect(await count("effects")).toBe(1);
    expect(await count("busbar_inbox")).toBe(1);
  });

  test("as a plugin it is there for every subscription, and emits in the same transaction", async () => {
    const plugins = [outbox({ store: database.createStore() }), inbox({ store })];
    bus = createEventBus({ provider: localProvider(), plugins });
    const seen: unknown[] = [];
    bus.subscribe(
      "placed",
      async (event, { tx, attempt }) => {
        await effect(tx, event.id);
        await bus.withTransaction(tx).emit("paid", attempt);
        if (attempt === 1) throw new Error("again");
      },
      { subscriberId: "pay", attempts: 2 },
    );
    bus.subscribe("paid", ({ data }) => void seen.push(data), { subscriberId: "see" });
    await bus.start();
    await bus.emit({ name: "placed", data: 1, id: "x" });
    await bus.emit({ name: "placed", data: 1, id: "x" });
    await until(() => seen.length > 0, "what was emitted");
    await bus.settled();
    expect(seen).toEqual([2]);
    expect(await count("effects")).toBe(1);
  });

  test("forgets what is old", async () => {
    bus = createEventBus({
      provider: localProvider(),
      plugins: [inbox({ store, retentionMs: 60_000 })],
    });
    bus.subscribe("a", () => {}, { subscriberId: "one" });
    await bus.start();
    await bus.emit("a", 1);
    await bus.settled();
    expect(await cleanInbox(store, 60_000)).toBe(0);
    await database.query("UPDATE busbar_inbox SET handled_at = handled_at - 61000");
    expect(await cleanInbox(store, 60_000)).toBe(1);
  });

  test("once() refuses anonymous subscribers", async () => {
    bus = createEventBus({ provider: localProvider() });
    bus.subscribe(
      "a",
      once(() => {}, { store }),
    );
    await bus.start();
    await bus.emit("a", 1);
    await bus.settled();
    const dead = await bus.deadLetters.list({ subscriberId: "a#anonymous" });
    expect(JSON.stringify(dead)).toContain("subscriberId");
  });
});

test("a run that stands still in its transaction keeps no slot of another process", async () => {
  const database = await postgresDatabase();
  const store = database.createStore();
  await migrate(store);
  const handled: string[] = [];
  let goOn = (): void => {};
  const gone = new Promise<void>((resolve) => (goOn = resolve));
  let frozen = 0;
  const busOf = (isFrozen: boolean): EventBus => {
    const each = createEventBus({ provider: localProvider() });
    const handle = once<unknown, unknown>(
      async ({ id }) => {
        if (isFrozen) {
          frozen += 1;
          await gone;
        } else handled.push(id);
      },
      { store },
    );
    each.subscribe("a", handle, { subscriberId: "one", concurrency: 2 });
    return each;
  };
  const [first, second] = [busOf(true), busOf(false)];
  await Promise.all([first.start(), second.start()]);
  const events = (...ids: string[]): { name: string; data: null; id: string }[] =>
    ids.map((id) => ({ name: "a", data: null, id }));
  await first.emit(events("x", "y"));
  await until(() => frozen === 2, "two runs that stand still");
  // As after a lease has ended: they come here, too, and would have every slot.
  await second.emit(events("x", "y"));
  await second.emit(events("z"));
  await until(() => handled.length === 1, "an event that nobody else has");
  expect(handled).toEqual(["z"]);
  expect((await second.deadLetters.list()).items).toEqual([]);
  goOn();
  await Promise.all([first.settled(), second.settled()]);
  expect(handled).toEqual(["z"]);
  await Promise.all([first.stop(), second.stop()]);
  await database.close();
});

test("an event is no failed attempt while the database is away", async () => {
  const database = await postgresDatabase();
  const inner = database.createStore();
  await migrate(inner);
  let isAway = true;
  const store: OutboxStore<never> = {
    ...inner,
    async transaction(work) {
      if (!isAway) return inner.transaction(work);
      throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    },
  };
  const bus = createEventBus({ provider: localProvider() });
  const attempts: number[] = [];
  const handle = once<unknown, never>((_, { attempt }) => void attempts.push(attempt), { store });
  bus.subscribe("a", handle, { subscriberId: "one" });
  await bus.start();
  await bus.emit("a", 1);
  await until(async () => (await bus.inspect()).subscriptions[0]?.delayed === 1, "a release");
  isAway = false;
  await bus.settled();
  expect(attempts).toEqual([1]);
  await bus.stop();
  await database.close();
});
