import { setTimeout as sleep } from "node:timers/promises";
import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startShop, type Shop, write } from "./support/shop.ts";
import { databases, postgresDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";
import { wrapped } from "./support/wrapped.ts";

const WRITERS = 8;
const SLOW = { slow: 0.3, slowMs: 40, rolledBack: 0.05 };

let database: TestDatabase;
const shops: Shop[] = [];

afterEach(async () => {
  await Promise.all(shops.splice(0).map(({ bus }) => bus.stop({ graceMs: 1_000 })));
  await database.close();
});

describe.each(databases)("eight writers on %s", (name, createDatabase) => {
  beforeEach(async () => {
    database = await createDatabase();
  });

  test.each([1, 4])(
    "with slow commits and rollbacks lose and repeat nothing through %i relays",
    async (relays) => {
      const seen = new Map<string, number>();
      for (let index = 0; index < relays; index += 1) {
        shops.push(
          await startShop(database, ({ id }) => void seen.set(id, (seen.get(id) ?? 0) + 1)),
        );
      }
      const { bus } = shops[0] as Shop;
      const transactions = name === "SQLite" ? 40 : 250;
      const writers = Array.from({ length: WRITERS }, () =>
        write(database, bus, { ...SLOW, transactions }),
      );
      const committed = (await Promise.all(writers)).flat();
      await until(() => seen.size >= committed.length, `${committed.length} events`, 20_000);
      await sleep(200);
      expect(new Set(seen.keys())).toEqual(new Set(committed));
      expect([...seen.values()].filter((times) => times > 1)).toEqual([]);
      console.log(`${name}, ${relays} relays: ${committed.length} events, lost 0, repeated 0`);
    },
  );
});

describe("a relay with a cursor on the id", () => {
  test("loses events that commit late: why there is none", async () => {
    database = await postgresDatabase();
    const { bus } = await startShop(database, () => {}, { relay: false });
    const seen = new Set<string>();
    let cursor = "0";
    let isWriting = true;
    const read = async (): Promise<void> => {
      while (isWriting) {
        const rows = await database.query(
          "SELECT id, event_id FROM busbar_outbox WHERE id > $1 ORDER BY id LIMIT 1000",
          [cursor],
        );
        for (const row of rows) seen.add(row["event_id"] as string);
        cursor = (rows.at(-1)?.["id"] as string | undefined) ?? cursor;
        await sleep(2);
      }
    };
    const reader = read();
    const writers = Array.from({ length: WRITERS }, () =>
      write(database, bus, { ...SLOW, transactions: 100 }),
    );
    const committed = (await Promise.all(writers)).flat();
    await sleep(50);
    isWriting = false;
    await reader;
    const lost = committed.filter((id) => !seen.has(id)).length;
    console.log(`the control, a cursor: ${committed.length} events, lost ${lost}`);
    expect(lost).toBeGreaterThan(0);
    await bus.stop();
  });
});

/** Durable as far as the bus can tell; notes what it has accepted, after a moment. */
function acceptingLate(onAccepted: (data: unknown) => void): EventProvider {
  const inner = localProvider();
  const registered = new Map<
    string,
    { subscriptionId: string; events: readonly string[]; lastSeenAt: number }
  >();
  return {
    ...wrapped(inner),
    capabilities: { ...inner.capabilities, durable: true, redeliverAfterMs: 1_000 },
    subscriptions: {
      declare: async (specs: readonly { subscriptionId: string; events: readonly string[] }[]) => {
        for (const spec of specs)
          registered.set(spec.subscriptionId, { ...spec, lastSeenAt: Date.now() });
      },
      list: async () => [...registered.values()],
      retire: async () => 0,
    } as never,
    publish: async (batch) => {
      await sleep(Math.random() * 8);
      for (const { data } of batch) onAccepted(data);
      return batch.map(() => ({ status: "accepted", subscriptions: 1 }));
    },
  };
}

describe.each(databases)("four relays and 64 keys on %s", (name, createDatabase) => {
  const KEYS_PER_WRITER = 8;

  beforeEach(async () => {
    database = await createDatabase();
  });

  test.each(["in memory", "durable"])(
    "keep the order of each key, into a provider that is %s",
    async (kind) => {
      const order = new Map<string, number[]>();
      const by = new Set<number>();
      let count = 0;
      const note = (data: unknown, relay: number): void => {
        const { key, number } = data as { key: string; number: number };
        const numbers = order.get(key);
        if (numbers) numbers.push(number);
        else order.set(key, [number]);
        by.add(relay);
        count += 1;
      };
      for (let relay = 0; relay < 4; relay += 1) {
        const onEvent = async ({ data }: { data: unknown }): Promise<void> => {
          await sleep(Math.random() * 2);
          note(data, relay);
        };
        const provider =
          kind === "durable" ? acceptingLate((data) => note(data, relay)) : localProvider();
        shops.push(
          await startShop(database, onEvent, {
            provider,
            relay: { batchSize: 20, pollEveryMs: 10 },
          }),
        );
      }
      const perKey = name === "SQLite" ? 12 : 40;
      const { bus } = shops[0] as Shop;
      await Promise.all(
        Array.from({ length: WRITERS }, async (_each, writer) => {
          for (let number = 0; number < perKey; number += 1) {
            const messages = Array.from({ length: KEYS_PER_WRITER }, (_key, index) => {
              const key = `k-${writer * KEYS_PER_WRITER + index}`;
              return { name: "a", data: { key, number }, options: { orderingKey: key } };
            });
            await database.transaction((tx) => bus.withTransaction(tx).emit(messages));
          }
        }),
      );
      await until(() => count >= 64 * perKey, `${64 * perKey} events`, 25_000);
      await sleep(100);
      const expected = Array.from({ length: perKey }, (_each, number) => number);
      expect(order.size).toBe(64);
      for (const numbers of order.values()) expect(numbers).toEqual(expected);
      // In memory a key stays with its relay while any of its events is unsettled.
      if (kind === "durable") expect(by.size).toBeGreaterThan(1);
      console.log(
        `${name}, ${kind}: ${count} events in the order of 64 keys, by ${by.size} relays`,
      );
    },
  );
});
