import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, createApp, createEventBus } from "@busbar/core";
import { asValue } from "@busbar/core/container";
import local, { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inbox, once } from "../src/inbox.ts";
import { migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

/** What the files of the application say. Its first run of each event fails, after it has written. */
const SUBSCRIBER = `
export default async ({ event, tx, attempt, container }) => {
  await container.resolve("effect")(tx, event.id);
  await container.resolve("event_bus").withTransaction(tx).emit("ledger.grown", event.id);
  if (attempt === 1) throw new Error("again");
};
export const config = { event: "order.placed", context: { subscriberId: "ledger", attempts: 2 } };
`;

describe.each(databases)("the inbox as an option on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let store: OutboxStore<never>;
  let folder: string;

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
    folder = mkdtempSync(join(tmpdir(), "busbar-app-"));
    await database.query("CREATE TABLE effects (event_id text)");
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await database.close();
  });

  const effect = (tx: unknown, id: string): Promise<unknown> =>
    store.within(tx as never).execute(`INSERT INTO ${database.prefix}effects VALUES ($1)`, [id]);
  const effects = async (): Promise<unknown[]> =>
    (await database.query("SELECT event_id FROM effects")).map((row) => row["event_id"]);

  test.each([
    [
      "the configuration",
      (inbox: OutboxStore<never>) => ({ modules: [{ resolve: local }], inbox }),
    ],
    ["a module", (inbox: OutboxStore<never>) => ({ modules: [{ resolve: local, inbox }] })],
  ])("of %s has every subscriber file handle an event once", async (_where, withInbox) => {
    writeFileSync(join(folder, "ledger.mjs"), SUBSCRIBER);
    const grown: unknown[] = [];
    const app: App = await createApp(
      {
        ...withInbox(store),
        plugins: [outbox({ store: database.createStore() })],
        subscribers: ".",
        services: { effect: asValue(effect) },
      },
      { root: folder, signals: false },
    );
    app.bus.subscribe("ledger.grown", ({ data }) => void grown.push(data), {
      subscriberId: "growth",
    });
    await app.start();
    const order = { name: "order.placed", data: {}, id: "order-1" };
    for (let times = 0; times < 3; times += 1) await app.bus.emit(order);
    await app.bus.settled();
    await database.transaction((tx) => app.bus.withTransaction(tx).emit({ ...order, id: "2" }));
    await until(() => grown.length === 2, "what both handlers emitted");
    await app.bus.settled();
    await app.stop();
    expect(new Set(await effects())).toEqual(new Set(["2", "order-1"]));
    expect(await effects()).toHaveLength(2);
    expect(grown).toEqual(["order-1", "2"]);
  });

  test("of a bus makes the table that it needs, and once() and a second inbox join it", async () => {
    const bus = createEventBus({
      provider: localProvider(),
      plugins: [inbox({ store: database.createStore() })],
      inbox: store,
    });
    const note = once((event, { tx }) => void effect(tx, event.id), {
      store: database.createStore(),
    });
    bus.subscribe("a", note, { subscriberId: "one", timeoutMs: 2_000 });
    await bus.start();
    for (let times = 0; times < 2; times += 1) await bus.emit({ name: "a", data: 1, id: "x" });
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toEqual([]);
    expect(await effects()).toEqual(["x"]);
    await bus.stop();
  });

  test("knows what once() has handled before, so that one may take the place of the other", async () => {
    await migrate(store);
    const note = async (event: { id: string }, run: { tx?: unknown }): Promise<void> => {
      await effect(run.tx, event.id);
    };
    for (const [subscriber, options] of [
      [once(note, { store }), {}],
      [note, { inbox: store }],
    ] as const) {
      const bus = createEventBus({ provider: localProvider(), ...options });
      bus.subscribe("a", subscriber, { subscriberId: "one" });
      await bus.start();
      await bus.emit({ name: "a", data: 1, id: "x" });
      await bus.settled();
      await bus.stop();
    }
    expect(await effects()).toEqual(["x"]);
  });
});
