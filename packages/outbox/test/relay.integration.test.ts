import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus, type EventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { sqliteProvider } from "busbar-sqlite";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { outbox, type Outbox, type OutboxOptions } from "../src/outbox.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";
import { wrapped } from "./support/wrapped.ts";

/** No test waits for a poll, unless it is about that. */
const NO_POLL = { pollEveryMs: 600_000 };

describe.each(databases)("a relay on %s", (name, createDatabase) => {
  let database: TestDatabase;
  let seen: unknown[];
  const buses: EventBus[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    seen = [];
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 500 })));
    await database.close();
  });

  async function start(
    options: Omit<OutboxOptions<never>, "store">,
    provider: EventProvider = localProvider(),
  ): Promise<{ bus: EventBus; plugin: Outbox }> {
    const plugin = outbox({ store: database.createStore(), ...options });
    const bus = createEventBus({ provider, plugins: [plugin] });
    bus.subscribe("**", ({ data }) => void seen.push(data), { subscriberId: "all" });
    await bus.start();
    buses.push(bus);
    return { bus, plugin };
  }

  const emit = (bus: EventBus, ...data: unknown[]): Promise<unknown> =>
    database.transaction((tx) =>
      bus.withTransaction(tx).emit(data.map((each) => ({ name: "a", data: each }))),
    );
  const rows = (): Promise<Record<string, unknown>[]> =>
    database.query("SELECT state FROM busbar_outbox");

  test("is woken by a commit of its own process", async () => {
    const { bus } = await start({ relay: NO_POLL });
    for (const data of [1, 2, 3]) {
      await emit(bus, data);
      await until(() => seen.length === data, "the event", 2_000);
    }
  });

  test("is woken by a commit of its own process where no notification arrives", async () => {
    const store = { ...database.createStore(), listen: async () => async () => {} };
    const plugin = outbox({ store, relay: NO_POLL });
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin] });
    bus.subscribe("**", ({ data }) => void seen.push(data), { subscriberId: "all" });
    await bus.start();
    buses.push(bus);
    for (const data of [1, 2, 3]) {
      await emit(bus, data);
      await until(() => seen.length === data, "the event", 2_000);
    }
  });

  test("drained() resolves once all that is committed is published, and never before", async () => {
    const { bus, plugin } = await start({ relay: NO_POLL });
    await plugin.drained();
    await plugin.pause();
    await emit(bus, 1, 2, 3);
    let isDrained = false;
    const drained = plugin.drained().then(() => (isDrained = true));
    await expect(plugin.drained({ timeoutMs: 50 })).rejects.toMatchObject({
      code: "BUSBAR_TIMEOUT",
      details: { timeoutMs: 50, what: "the outbox" },
    });
    expect(isDrained).toBe(false);
    plugin.resume();
    await drained;
    expect(seen).toEqual([1, 2, 3]);
    expect(await plugin.inspect()).toMatchObject({ pending: 0 });
  });

  test("drained() waits for another process that publishes, and not for delayed events", async () => {
    const { bus, plugin } = await start({ relay: false });
    await emit(bus, 1);
    await database.transaction((tx) => bus.withTransaction(tx).emit("a", 2, { delay: 600_000 }));
    await expect(plugin.drained({ timeoutMs: 50 })).rejects.toThrow("still has events to publish");
    await start({ relay: NO_POLL });
    await plugin.drained();
    expect(await plugin.inspect()).toMatchObject({ pending: 0, delayed: 1 });
  });

  test("reports each event that it publishes to the listeners of its bus, and nothing before", async () => {
    const { bus } = await start({ relay: NO_POLL });
    const heard: unknown[] = [];
    bus.on("emitted", ({ event }) => void heard.push(event.id));
    let ids: readonly string[] = [];
    await database.transaction(async (tx) => {
      ids = await bus.withTransaction(tx).emit("a", 1);
      expect(heard).toEqual([]);
    });
    await until(() => heard.length === 1, "the notice", 2_000);
    expect(heard).toEqual(ids);
  });

  test.runIf(name === "PostgreSQL")("is woken by a commit of another process", async () => {
    await start({ relay: NO_POLL });
    const other = await start({ relay: false });
    // By then it listens.
    await until(
      async () =>
        (
          await database.query("SELECT 1 AS one FROM pg_stat_activity WHERE query LIKE $1", [
            `LISTEN%${database.prefix}%`,
          ])
        ).length === 1,
      "a listener",
    );
    await emit(other.bus, 1);
    await until(() => seen.length === 1, "the event", 2_000);
  });

  test("finds by polling what nobody has told it of", async () => {
    await start({ relay: { pollEveryMs: 50 }, notify: false });
    const other = await start({ relay: false, notify: false });
    await emit(other.bus, 1);
    await until(() => seen.length === 1, "the event", 2_000);
  });

  test("publishes at most a batch at once, and goes on until nothing is left", async () => {
    const sizes: number[] = [];
    const inner = localProvider();
    const { bus, plugin } = await start(
      { relay: { ...NO_POLL, batchSize: 30 } },
      {
        ...wrapped(inner),
        publish: (batch, options) => {
          sizes.push(batch.length);
          return inner.publish(batch, options);
        },
      },
    );
    await plugin.pause();
    await emit(bus, ...Array.from({ length: 70 }, (_each, index) => index));
    plugin.resume();
    await until(() => seen.length === 70, "all");
    expect(sizes).toEqual([30, 30, 10]);
  });

  test("deletes what it has sent when it has been kept for long enough", async () => {
    const { bus } = await start({ relay: { keepSentForMs: 60_000 } });
    await emit(bus, "old", "new");
    await until(async () => (await rows()).every(({ state }) => state === "sent"), "both sent");
    expect(await rows()).toHaveLength(2);
    await database.query("UPDATE busbar_outbox SET created_at = created_at - 61000 WHERE id = 1");
    await start({ relay: { keepSentForMs: 60_000 } });
    await until(async () => (await rows()).length === 1, "the deletion");
  });

  test("keeps events back for a durable provider that cannot", async () => {
    const directory = mkdtempSync(join(tmpdir(), "busbar-no-delay-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const inner = sqliteProvider({ directory, pollEveryMs: 10 });
    const { bus } = await start(
      { relay: NO_POLL },
      {
        ...wrapped(inner),
        capabilities: { ...inner.capabilities, delay: false },
        publish: (batch, options) => {
          expect(batch.map(({ delayMs }) => delayMs)).toEqual([undefined]);
          return inner.publish(batch, options);
        },
      },
    );
    const from = Date.now();
    await database.transaction((tx) => bus.withTransaction(tx).emit("a", 1, { delay: 250 }));
    await until(() => seen.length === 1, "the event");
    expect(Date.now() - from).toBeGreaterThanOrEqual(250);
  });
});
