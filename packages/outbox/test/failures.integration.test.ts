import { createEventBus, type EventBus, type Logger } from "@busbar/core";
import type { EventProvider, PublishResult } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outbox, type Outbox } from "../src/outbox.ts";
import type { RelayOptions } from "../src/relay.ts";
import { wrapped } from "./support/wrapped.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

describe.each(databases)("the relay on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let bus: EventBus | undefined;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    await bus?.stop({ graceMs: 500 });
    await database.close();
  });

  async function start(
    answer: (provider: EventProvider) => Partial<EventProvider>,
    relay: RelayOptions = {},
    error: Logger["error"] = () => {},
  ): Promise<{ plugin: Outbox; seen: unknown[]; bus: EventBus }> {
    const inner = localProvider();
    const provider = { ...wrapped(inner), ...answer(inner) };
    const plugin = outbox({ store: database.createStore(), relay });
    const logger = { error, warn() {}, info() {}, debug() {} };
    bus = createEventBus({ provider, plugins: [plugin], emitTimeoutMs: 300, logger });
    const seen: unknown[] = [];
    bus.subscribe("**", ({ data }) => void seen.push(data), { subscriberId: "all" });
    await bus.start();
    return { plugin, seen, bus };
  }

  const emit = async (to: EventBus, data: readonly unknown[], orderingKey?: string) =>
    database.transaction((tx) =>
      to
        .withTransaction(tx)
        .emit(data.map((each) => ({ name: "a", data: each, options: { orderingKey } }))),
    );

  test("sets what the provider refuses aside, with its reason, and goes on", async () => {
    let isPoison = true;
    const {
      plugin,
      seen,
      bus: its,
    } = await start((inner) => ({
      publish: async (batch, options) => {
        const good = batch.filter(({ data }) => !isPoison || data !== "poison");
        const results = [...(await inner.publish(good, options))];
        const refused: PublishResult = { status: "rejected", code: "refused", reason: "too big" };
        return batch.map((each) => (good.includes(each) ? (results.shift() as never) : refused));
      },
    }));
    await emit(its, [1, "poison", 2], "k");
    await until(() => seen.length === 2, "the others");
    const [failed] = await until(async () => {
      const list = await plugin.failed.list();
      return list.length > 0 && list;
    }, "the failed one");
    expect(failed).toMatchObject({ name: "a", error: "too big", attempts: 1 });
    expect(failed?.envelope?.data).toBe("poison");
    expect(await plugin.inspect()).toMatchObject({ pending: 0, failed: 1 });
    isPoison = false;
    expect(await plugin.failed.retry([failed?.id ?? ""])).toBe(1);
    await until(() => seen.includes("poison"), "the poison, which has become none");
    expect(await plugin.failed.list()).toEqual([]);
  });

  test("keeps no more of a reason than a text that can be read, however long it is", async () => {
    const logged: string[] = [];
    const { plugin, bus: its } = await start(
      () => ({
        publish: async (batch) =>
          batch.map(() => ({
            status: "rejected",
            code: "refused",
            reason: `too big: ${"\u{1f600}".repeat(100_000)}`,
          })),
      }),
      {},
      (fields) => void logged.push(JSON.stringify(fields)),
    );
    await emit(its, [1]);
    const failed = await until(async () => (await plugin.failed.list())[0], "the failed one");
    expect(failed.error).toMatch(/^too big: /);
    expect(failed.error.length).toBeLessThan(4_000);
    expect(failed.error.isWellFormed()).toBe(true);
    expect(logged).toHaveLength(1);
    expect(logged[0]?.length).toBeLessThan(8_000);
  });

  test("sets aside a row that cannot be read, and discards it when asked", async () => {
    const { plugin, seen, bus: its } = await start(() => ({}));
    await plugin.pause();
    await emit(its, [1, 2]);
    await database.query("UPDATE busbar_outbox SET envelope = 'x' WHERE id = 1");
    plugin.resume();
    await until(() => seen.length === 1, "the other");
    const failed = await until(async () => (await plugin.failed.list())[0], "the failed one");
    expect(failed).toMatchObject({ envelope: undefined, error: "Not an envelope: not JSON" });
    expect(await plugin.failed.discard()).toBe(1);
    expect((await plugin.inspect()).failed).toBe(0);
  });

  test("waits while the broker is away, for longer and longer, and then goes on in order", async () => {
    let away = true;
    let tries = 0;
    const {
      plugin,
      seen,
      bus: its,
    } = await start((inner) => ({
      publish: async (batch, options) => {
        tries += 1;
        if (away) throw new Error("the broker is away");
        return inner.publish(batch, options);
      },
    }));
    await emit(its, [1, 2], "k");
    await emit(its, [3], "k");
    await until(async () => (await plugin.inspect()).relay.state === "waiting", "a failure");
    plugin.wake();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(tries).toBeGreaterThan(1);
    expect(tries).toBeLessThan(12);
    expect(await plugin.inspect()).toMatchObject({ pending: 3, failed: 0 });
    away = false;
    await until(() => seen.length === 3, "all");
    expect(seen).toEqual([1, 2, 3]);
    expect((await plugin.inspect()).relay.lastError).toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
  });

  test("a broker that does not answer holds it up for no longer than the time limit", async () => {
    let hangs = true;
    const { seen, bus: its } = await start((inner) => ({
      publish: (batch, options) =>
        hangs ? new Promise<never>(() => {}) : inner.publish(batch, options),
    }));
    await emit(its, [1]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    hangs = false;
    await until(() => seen.length === 1, "the event");
  });

  test("keeps what it has sent for as long as it is asked to", async () => {
    const { plugin, seen, bus: its } = await start(() => ({}), { keepSentForMs: 60_000 });
    await emit(its, [1, 2]);
    await until(() => seen.length === 2, "both");
    const sent = async (): Promise<number> =>
      (await database.query("SELECT id FROM busbar_outbox WHERE state = 'sent'")).length;
    await until(async () => (await sent()) === 2, "both kept");
    plugin.wake();
    expect(await plugin.inspect()).toMatchObject({ pending: 0 });
  });

  test("stop takes out what is settled while the provider stops, and leaves the rest to the next start", async () => {
    const { plugin, seen, bus: its } = await start(() => ({}));
    its.subscribe(
      "a",
      async (_event, { attempt }) => {
        if (attempt === 1) throw new Error("later");
      },
      { subscriberId: "retries", attempts: 2, backoff: 60_000 },
    );
    let runs = 0;
    its.subscribe(
      "slow",
      async () => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 200));
      },
      { subscriberId: "slow" },
    );
    await emit(its, ["retried"]);
    await database.transaction((tx) => its.withTransaction(tx).emit("slow", "slow"));
    await until(() => seen.length === 2 && runs === 1, "both");
    const from = performance.now();
    await its.stop({ graceMs: 5_000 });
    expect(performance.now() - from).toBeLessThan(3_000);
    const rows = await database.query("SELECT name, state, claim FROM busbar_outbox");
    expect(rows).toEqual([{ name: "a", state: "pending", claim: null }]);
    expect((await plugin.inspect()).relay.state).toBe("stopped");
  });
});
