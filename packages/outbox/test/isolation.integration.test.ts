// A database whose transactions are stricter by default than the outbox needs: its own statements say their level,
// and what still meets others is done again.
import { createEventBus, type EventBus, type Logger } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { once } from "../src/inbox.ts";
import { migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { type Isolation, postgresDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const levels: readonly Isolation[] = ["repeatable read", "serializable"];

describe.each(levels)("where transactions are %s by default", (level) => {
  let database: TestDatabase;
  let buses: EventBus[];
  let warnings: string[];
  /** How often each event came. */
  let seen: Map<string, number>;

  beforeEach(async () => {
    database = await postgresDatabase(undefined, level);
    [buses, warnings, seen] = [[], [], new Map()];
  });

  afterEach(async () => {
    await Promise.all(buses.map((bus) => bus.stop({ graceMs: 1_000 })));
    await database.close();
  });

  const ignore = (): void => {};
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: (_, message) => void warnings.push(String(message)),
    error: (_, message) => void warnings.push(String(message)),
  };

  /** Instances of an application over one database, each with a relay of its own. */
  async function start(
    count: number,
    subscribe: (bus: EventBus, store: OutboxStore<never>) => void = (bus) => {
      bus.subscribe("**", ({ id }) => see(id), { subscriberId: "all" });
    },
  ): Promise<readonly EventBus[]> {
    for (let index = 0; index < count; index += 1) {
      const store = database.createStore();
      const plugins = [outbox({ store, relay: { batchSize: 20 } })];
      const bus = createEventBus({ provider: localProvider(), plugins, logger });
      subscribe(bus, store);
      buses.push(bus);
    }
    await Promise.all(buses.map((bus) => bus.start()));
    return buses;
  }

  function see(id: string): void {
    seen.set(id, (seen.get(id) ?? 0) + 1);
  }

  /** Again, as an application does that has chosen this level: its own transaction has met another. */
  async function insistently<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        const { code, cause } = error as { code?: string; cause?: { code?: string } };
        if (tries === 20 || (code !== "40001" && cause?.code !== "40001")) throw error;
      }
    }
  }

  async function expectEachOnce(ids: readonly string[]): Promise<void> {
    await until(() => seen.size >= ids.length, `${ids.length} events`, 20_000);
    await until(async () => {
      const rows = await database.query("SELECT 1 FROM busbar_outbox");
      return rows.length === 0;
    }, "an empty outbox");
    expect(new Set(seen.keys())).toEqual(new Set(ids));
    expect([...seen.values()].filter((times) => times > 1)).toEqual([]);
    expect(warnings).toEqual([]);
  }

  test("is what the connections of these tests say", async () => {
    const [row] = await database.query("SHOW transaction_isolation");
    expect(row?.["transaction_isolation"]).toBe(level);
    const store = database.createStore();
    const [shown] = await store.execute("SELECT current_setting('transaction_isolation') AS level");
    expect(shown?.["level"]).toBe(level);
  });

  test("40 processes that migrate at the same time apply each version once", async () => {
    const stores = Array.from({ length: 40 }, () => database.createStore());
    const applied = await Promise.all(stores.map((store) => migrate(store)));
    expect(applied.flat()).toEqual([1]);
  });

  test("120 groups that are released at the same time are released once each", async () => {
    const [one, two] = (await start(2)) as [EventBus, EventBus];
    const groups = Array.from({ length: 120 }, (_, index) => `group-${index}`);
    const ids = await Promise.all(
      groups.map((eventGroupId, index) =>
        insistently(() =>
          database.transaction((tx) => {
            const messages = [1, 2].map((data) => ({
              name: "a",
              data,
              metadata: { eventGroupId },
            }));
            return (index % 2 ? one : two).withTransaction(tx).emit(messages);
          }),
        ),
      ),
    );
    await Promise.all(groups.map((id, index) => (index % 3 ? one : two).releaseGroupedEvents(id)));
    await expectEachOnce(ids.flat());
  });

  test("relays publish each event once that 20 writers commit", async () => {
    const all = await start(3);
    const writers = Array.from({ length: 20 }, async (_, writer) => {
      const ids: string[] = [];
      for (let index = 0; index < 10; index += 1) {
        const bus = all[writer % 3] as EventBus;
        const options = index % 3 === 0 ? { orderingKey: `key-${index}` } : {};
        const emitted = await insistently(() =>
          database.transaction((tx) =>
            bus.withTransaction(tx).emit({ name: "a", data: index, options }),
          ),
        );
        ids.push(...emitted);
      }
      return ids;
    });
    await expectEachOnce((await Promise.all(writers)).flat());
  });

  test("once() handles each event once that comes to two processes", async () => {
    await database.query("CREATE TABLE ledger (event_id text PRIMARY KEY)");
    const ids = Array.from({ length: 60 }, (_, index) => `event-${index}`);
    const all = await start(2, (bus, store) => {
      const handle = once(
        async ({ id }, { tx }) => {
          // By its primary key a second time would fail.
          const sql = `INSERT INTO ${database.prefix}ledger VALUES ($1)`;
          await store.within(tx as never).execute(sql, [id]);
        },
        { store },
      );
      bus.subscribe("a", handle, { subscriberId: "ledger", attempts: 1 });
    });
    await Promise.all(
      ids.flatMap((id) => all.map((bus) => bus.emit({ id, name: "a", data: null }))),
    );
    await Promise.all(all.map((bus) => bus.settled({ timeoutMs: 20_000 })));
    const rows = await database.query("SELECT event_id FROM ledger");
    expect(new Set(rows.map((row) => row["event_id"]))).toEqual(new Set(ids));
    for (const bus of all)
      expect((await bus.deadLetters.list({ subscriptionId: "ledger" })).items).toEqual([]);
  });
});
