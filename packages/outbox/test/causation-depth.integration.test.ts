import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

describe.each(databases)("the causation depth, through the outbox on %s,", (_, createDatabase) => {
  let database: TestDatabase;
  let store: OutboxStore<never>;
  let bus: EventBus;
  let depths: Map<string, unknown>;

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
    bus = createEventBus({
      provider: localProvider(),
      plugins: [outbox({ store: database.createStore() })],
      maxCausationDepth: 3,
    });
    depths = new Map();
    bus.subscribe("**", ({ name, metadata }) => void depths.set(name, metadata.causationDepth), {
      subscriberId: "all",
    });
    await bus.start();
  });

  afterEach(async () => {
    await bus.stop({ graceMs: 500 });
    await database.close();
  });

  const staged = (name: string): Promise<unknown> =>
    database.transaction((tx) => bus.withTransaction(tx).emit(name, 1));

  test("grows by one with a transaction in a handler, of an inbox, and with a group", async () => {
    bus.subscribe("a", async () => void (await staged("b")), { subscriberId: "a" });
    bus.subscribe(
      "b",
      once(async (_event, { tx }) => void (await bus.withTransaction(tx).emit("c", 1)), { store }),
      { subscriberId: "b" },
    );
    bus.subscribe(
      "c",
      async () => {
        await bus.emit({ name: "d", data: 1, metadata: { eventGroupId: "g" } });
        await bus.releaseGroupedEvents("g");
      },
      { subscriberId: "c" },
    );
    await staged("a");
    await until(() => depths.size === 4, "all four");
    expect(Object.fromEntries(depths)).toEqual({ a: undefined, b: 1, c: 2, d: 3 });
  });

  test("has its limit, and nothing of the emit beyond it is written", async () => {
    let runs = 0;
    const errors: unknown[] = [];
    bus.subscribe(
      "tick",
      async () => {
        runs += 1;
        await staged("tick").catch((error: unknown) => void errors.push(error));
      },
      { subscriberId: "ticker" },
    );
    await staged("tick");
    await until(() => errors.length > 0, "the refusal");
    expect(errors).toMatchObject([{ code: "BUSBAR_INVALID_MESSAGE" }]);
    expect(runs).toBe(4);
    await until(
      async () => (await database.query("SELECT id FROM busbar_outbox")).length === 0,
      "an empty outbox",
    );
    expect(runs).toBe(4);
  });
});
