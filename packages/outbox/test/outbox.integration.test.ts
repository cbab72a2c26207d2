import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outbox, type Outbox, type OutboxOptions } from "../src/outbox.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

interface Instance {
  readonly bus: EventBus;
  readonly plugin: Outbox;
  /** What its handler saw. */
  readonly seen: { readonly id: string; readonly data: unknown; readonly metadata: object }[];
}

describe.each(databases)("the outbox on %s", (_, createDatabase) => {
  let database: TestDatabase;
  const buses: EventBus[] = [];

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 500 })));
    await database.close();
  });

  async function start(options: Partial<OutboxOptions<never>> = {}): Promise<Instance> {
    const plugin = outbox({ store: database.createStore(), ...options });
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin] });
    const seen: Instance["seen"] = [];
    bus.subscribe("**", (event) => void seen.push(event), { subscriberId: "all" });
    await bus.start();
    buses.push(bus);
    return { bus, plugin, seen };
  }

  const rows = async (): Promise<number> =>
    Number((await database.query("SELECT count(*) AS count FROM busbar_outbox"))[0]?.["count"]);

  test("publishes what was emitted once the transaction has committed, and not before", async () => {
    const { bus, seen } = await start();
    let ids: readonly string[] = [];
    await database.transaction(async (tx) => {
      ids = await bus.withTransaction(tx).emit("order.placed", { total: 1 });
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(seen).toEqual([]);
    });
    const committed = performance.now();
    await until(() => seen.length > 0, "the event");
    expect(performance.now() - committed).toBeLessThan(1_000);
    expect(seen).toMatchObject([{ id: ids[0], data: { total: 1 } }]);
    await until(async () => (await rows()) === 0, "an empty outbox");
  });

  test('offers its services in the role "tool", publishes nothing and makes no tables', async () => {
    const plugin = outbox({ store: database.createStore() });
    const tool = createEventBus({ provider: localProvider(), plugins: [plugin], role: "tool" });
    buses.push(tool);
    await tool.start();
    await expect(plugin.inspect()).rejects.toThrow(/busbar_outbox/);
    await plugin.migrate();
    await database.transaction((tx) => tool.withTransaction(tx).emit("order.placed", 1));
    expect(await plugin.inspect()).toMatchObject({ pending: 1, relay: { state: "stopped" } });
  });

  test("publishes nothing of a transaction that was rolled back", async () => {
    const { bus, seen, plugin } = await start();
    const failed = database.transaction(async (tx) => {
      await bus.withTransaction(tx).emit("order.placed", 1);
      throw new Error("no stock");
    });
    await expect(failed).rejects.toThrow("no stock");
    await database.transaction((tx) => bus.withTransaction(tx).emit("order.placed", 2));
    plugin.wake();
    await until(() => seen.length > 0, "the second event");
    expect(seen.map(({ data }) => data)).toEqual([2]);
    expect(await rows().then((count) => count <= 1)).toBe(true);
  });

  test("carries options and metadata along, in order", async () => {
    const { bus, seen } = await start();
    const attempts: number[] = [];
    bus.subscribe(
      "flaky",
      (_event, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error("again");
      },
      { subscriberId: "flaky" },
    );
    await database.transaction(async (tx) => {
      const inTransaction = bus.withTransaction(tx);
      await inTransaction.emit("flaky", "é\u0000😀", { attempts: 3, backoff: 1 });
      await inTransaction.emit(
        Array.from({ length: 50 }, (_each, index) => ({
          name: "numbered",
          id: index === 0 ? 'odd "id"\u0000' : `id-${index}`,
          data: index,
          metadata: { tenant: "t" },
        })),
      );
    });
    await until(() => seen.length === 51 && attempts.length === 3, "all");
    expect(attempts).toEqual([1, 2, 3]);
    const numbered = seen.filter(({ data }) => typeof data === "number");
    expect(numbered.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_e, i) => i));
    expect(numbered[0]).toMatchObject({ id: 'odd "id"\u0000', metadata: { tenant: "t" } });
    expect(seen.find(({ data }) => typeof data === "string")?.data).toBe("é\u0000😀");
  });

  test("writes the events of one emit in one statement", async () => {
    const { bus } = await start({ relay: false });
    const statements: string[] = [];
    await database.transaction(async (tx) => {
      const spied = spy(tx, statements);
      await bus
        .withTransaction(spied)
        .emit(Array.from({ length: 1_000 }, (_each, data) => ({ name: "a", data })));
    });
    expect(statements).toHaveLength(1);
    expect(await rows()).toBe(1_000);
  });

  test("takes very many events in one emit", async () => {
    const { bus } = await start({ relay: false });
    const count = 130_000;
    const events = Array.from({ length: count }, (_each, data) => ({ name: "a", data }));
    const ids = await database.transaction((tx) => bus.withTransaction(tx).emit(events));
    expect(ids).toHaveLength(count);
    expect(await rows()).toBe(count);
  }, 30_000);

  test("is relayed by any of several instances, each event once", async () => {
    const instances = await Promise.all([start(), start(), start()]);
    const [first] = instances;
    for (let round = 0; round < 30; round += 1) {
      await database.transaction((tx) =>
        (first as Instance).bus
          .withTransaction(tx)
          .emit(
            Array.from({ length: 10 }, (_each, index) => ({ name: "a", data: round * 10 + index })),
          ),
      );
    }
    const seen = (): unknown[] => instances.flatMap((each) => each.seen.map(({ data }) => data));
    await until(() => seen().length >= 300, "300 events");
    await until(async () => (await rows()) === 0, "an empty outbox");
    expect(new Set(seen()).size).toBe(300);
    expect(seen()).toHaveLength(300);
  });

  test("keeps delayed events back until their time", async () => {
    const { bus, seen, plugin } = await start({ relay: { pollEveryMs: 60_000 } });
    const from = Date.now();
    await database.transaction((tx) =>
      bus.withTransaction(tx).emit([
        { name: "a", data: "late", options: { delay: 300 } },
        { name: "a", data: "now" },
      ]),
    );
    await until(() => seen.length === 1, "the one without delay");
    expect(await plugin.inspect()).toMatchObject({ delayed: 1 });
    await until(() => seen.length === 2, "the delayed one");
    expect(Date.now() - from).toBeGreaterThanOrEqual(300);
    expect(seen.map(({ data }) => data)).toEqual(["now", "late"]);
  });

  test("keeps in the table what a provider in memory has not settled", async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let runs = 0;
    const instances = await Promise.all([0, 1].map(() => start({ relay: { leaseMs: 400 } })));
    for (const { bus } of instances) {
      bus.subscribe("slow", () => void (runs += 1), { subscriberId: "quick" });
      bus.subscribe("slow", () => gate, { subscriberId: "slow" });
    }
    const [first] = instances as [Instance, Instance];
    await database.transaction((tx) => first.bus.withTransaction(tx).emit("slow", 1));
    await until(() => runs === 1, "a run");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // Renewed: nobody has taken it over.
    expect(await rows()).toBe(1);
    const inspections = await Promise.all(instances.map(({ plugin }) => plugin.inspect()));
    expect(inspections.map(({ relay }) => relay.unsettled).toSorted((a, b) => a - b)).toEqual([
      0, 1,
    ]);
    open();
    await until(async () => (await rows()) === 0, "an empty outbox");
    expect(runs).toBe(1);
  });

  test("pauses and resumes, and says how it is", async () => {
    const { bus, seen, plugin } = await start();
    await plugin.pause();
    await database.transaction((tx) => bus.withTransaction(tx).emit("a", 1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toEqual([]);
    const paused = await plugin.inspect();
    expect(paused).toMatchObject({ pending: 1, failed: 0, relay: { state: "paused" } });
    expect(paused.oldestAt?.getTime()).toBeGreaterThan(Date.now() - 10_000);
    plugin.resume();
    await until(() => seen.length === 1, "the event");
    expect((await plugin.inspect()).relay).toMatchObject({ state: "running" });
    expect((await plugin.inspect()).relay.rate).toBeGreaterThan(0);
  });
});

function spy(tx: never, statements: string[]): never {
  const note = (sql: string): void => void statements.push(sql);
  return new Proxy(tx as object, {
    get(target, member) {
      const value: unknown = Reflect.get(target, member);
      if (typeof value !== "function") return value;
      return (...args: never[]) => {
        if (member === "query" || member === "prepare") note(String(args[0]));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  }) as never;
}
