import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../src/contract/notifier.ts";
import type { RetryPolicy } from "../../src/contract/retry-policy.ts";
import { releaseForgotten } from "../../src/deliver/order.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  addDeliveries,
  addSubscription,
  countOf,
  type Deliver,
  deliveriesOf,
  FAILED,
  OK,
  startDispatcher,
  type TestDispatcher,
} from "../support/deliveries.ts";
import { until } from "../support/until.ts";

describe.each(databases)("order by key on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let running: TestDispatcher[];

  beforeEach(async () => {
    database = await createDatabase();
    running = [];
  });

  afterEach(async () => {
    await Promise.all(running.map(({ dispatcher }) => dispatcher.stop(500)));
    await database.close();
  });

  function start(deliver: Deliver): TestDispatcher {
    const started = startDispatcher(database, deliver, {
      pollEveryMs: 10,
      breaker: { openAfter: false },
    });
    running.push(started);
    return started;
  }

  const settled = (count: number): Promise<unknown> =>
    until(async () => (await countOf(database, "delivered")) === count, `${count} delivered`);
  /** Events whose keys take turns, and which know their place. */
  const add = (count: number, keys: number): Promise<unknown> =>
    addDeliveries(database, {
      to: ["a"],
      count,
      key: (index) => `k${index % keys}`,
      data: (index) => ({ key: index % keys, place: Math.floor(index / keys) }),
    });
  const subscribe = (
    onOrderedFailure: "skip" | "park",
    retry: RetryPolicy = { type: "none" },
  ): Promise<void> =>
    addSubscription(database, "a", {
      orderingKey: "$event",
      onOrderedFailure,
      retry,
      concurrency: 20,
    });

  test("is kept over several processes, retries included, while other keys go on", async () => {
    await subscribe("skip", { type: "schedule", delaysMs: [1] });
    await add(20, 4);
    const places = new Map<number, number[]>();
    const now = new Map<number, number>();
    let isAlone = true;
    let failures = 0;
    const deliver: Deliver = async ({ event, delivery }) => {
      const { key, place } = event.data as { key: number; place: number };
      now.set(key, (now.get(key) ?? 0) + 1);
      if (now.get(key) !== 1) isAlone = false;
      await new Promise((resolve) => setImmediate(resolve));
      now.set(key, (now.get(key) ?? 0) - 1);
      if (place % 3 === 0 && delivery.attempt < 2) {
        failures += 1;
        return FAILED;
      }
      places.set(key, [...(places.get(key) ?? []), place]);
      return OK;
    };
    for (let each = 0; each < 3; each += 1) start(deliver);
    await settled(20);
    expect(isAlone).toBe(true);
    expect(failures).toBe(8);
    for (const each of places.values()) expect(each).toEqual([0, 1, 2, 3, 4]);
  });

  test("does not have one key wait for another that is retried later", async () => {
    await subscribe("skip", { type: "schedule", delaysMs: [3_600_000] });
    await add(500, 1);
    await addDeliveries(database, { to: ["a"], key: () => "other" });
    start(({ delivery, event }): NotifierResult =>
      "key" in (event.data as object) && delivery.attempt === 1 ? FAILED : OK,
    );
    await settled(1);
    const rows = await deliveriesOf(database);
    expect(rows.at(-1)).toMatchObject({ state: "delivered", ordering_key: "other" });
    expect(rows.filter((row) => Number(row["attempts"]) > 0)).toHaveLength(2);
  });

  test("skips a dead delivery where the subscription says so", async () => {
    await subscribe("skip");
    await add(3, 1);
    const places: number[] = [];
    start(({ event }) => {
      const { place } = event.data as { place: number };
      places.push(place);
      return place === 0 ? FAILED : OK;
    });
    await settled(2);
    expect(places).toEqual([0, 1, 2]);
  });

  test("parks behind a dead delivery otherwise, until that is attempted again or called off", async () => {
    await subscribe("park");
    await add(4, 1);
    let isUp = false;
    const places: number[] = [];
    start(({ event }) => {
      places.push((event.data as { place: number }).place);
      return isUp ? OK : FAILED;
    });
    await until(async () => (await countOf(database, "dead")) === 1, "a dead one");
    // A delivery of another key shows that the dispatcher has looked meanwhile.
    isUp = true;
    await addDeliveries(database, {
      to: ["a"],
      key: () => "other",
      data: () => ({ place: -1 }),
    });
    await settled(1);
    expect(places).toEqual([0, -1]);
    await database.query(
      "UPDATE busbar_webhook_deliveries SET state = 'waiting', due_at = 1 WHERE state = 'dead'",
    );
    await settled(5);
    expect(places).toEqual([0, -1, 0, 1, 2, 3]);
  });

  test("goes on after a delivery was called off by somebody who released nothing", async () => {
    await subscribe("skip", { type: "schedule", delaysMs: [3_600_000] });
    await add(3, 1);
    start(({ delivery, event }) =>
      (event.data as { place: number }).place === 0 && delivery.attempt === 1 ? FAILED : OK,
    );
    await until(async () => {
      const rows = await deliveriesOf(database);
      return rows.filter((row) => row["due_at"] === null).length === 2;
    }, "held deliveries");
    const store = webhookStore(database.createStore());
    // Nothing is forgotten yet.
    await releaseForgotten(store.own, store, undefined);
    expect((await deliveriesOf(database)).filter((row) => row["due_at"] === null)).toHaveLength(2);
    await database.query(
      "UPDATE busbar_webhook_deliveries SET state = 'cancelled' WHERE due_at IS NOT NULL",
    );
    await releaseForgotten(store.own, store, undefined);
    await settled(2);
  });
});
