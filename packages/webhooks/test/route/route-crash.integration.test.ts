import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import { webhooks, type Webhooks } from "../../src/webhooks.ts";
import { childProgram } from "../support/child-program.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { ENCRYPTION_KEYS, type RouteChildOptions } from "../support/route-child-options.ts";

const child = new URL("../support/route-child.ts", import.meta.url);
let runChild: Awaited<ReturnType<typeof childProgram>>;

beforeAll(async () => {
  runChild = await childProgram(child);
});

describe.each(databases)("a router on %s that is killed", (_, createDatabase) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.close());

  test("before or after the commit of deliveries makes each of them once", async () => {
    const first = startBus();
    await first.bus.start();
    await first.hooks.subscriptions.create({
      events: ["order.*"],
      destination: "https://example.com/hooks",
      orderingKey: "$event",
    });
    await first.bus.stop();

    const { connection } = database;
    const ends = await Promise.all(
      ["before the commit", "after the commit"].map((dieAt) =>
        runChild({ connection, dieAt, eventId: dieAt } satisfies RouteChildOptions),
      ),
    );
    expect(ends).toEqual(ends.map(() => ({ output: "", error: "", signal: "SIGKILL" })));

    // What a durable provider does when the process that had the events is gone.
    const next = startBus();
    await next.bus.start();
    await next.bus.emit(
      ["before the commit", "after the commit"].map((id) => ({
        name: "order.placed",
        data: { id: "42" },
        id,
        options: { orderingKey: id },
      })),
    );
    await next.bus.settled();
    await next.bus.stop();
    const read = (table: string, columns: string): Promise<readonly object[]> =>
      database.query(`SELECT ${columns} FROM ${database.prefix}${table} ORDER BY number`);
    const deliveries = await read("busbar_webhook_deliveries", "event_id, state, sequence");
    const found = deliveries.map((row) => Object.values(row).map(String).join(": "));
    expect(found.toSorted()).toEqual([
      "after the commit: waiting: 1",
      "before the commit: waiting: 1",
    ]);
    expect(await read("busbar_webhook_events", "id")).toHaveLength(2);
  });

  function startBus(): { bus: EventBus; hooks: Webhooks } {
    const hooks = webhooks({
      events: defineAsyncEvents({ "order.placed": {} }),
      store: database.createStore(),
      encryptionKeys: ENCRYPTION_KEYS,
      dispatch: false,
    });
    const bus = createEventBus({ provider: localProvider(), plugins: [hooks] });
    return { bus, hooks: hooks as Webhooks };
  }
});
