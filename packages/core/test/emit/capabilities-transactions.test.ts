import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/contract/clock.ts";
import type {
  Envelope,
  EventProvider,
  GroupStaging,
  PublishResult,
} from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { collect } from "../support/collect.ts";

describe("withTransaction()", () => {
  test("is BUSBAR_UNSUPPORTED without a plugin that stages", async () => {
    const { bus } = await startTestBus();
    expect(() => bus.withTransaction({})).toThrow(
      expect.objectContaining({
        code: "BUSBAR_UNSUPPORTED",
        details: { provider: "memory", option: "withTransaction" },
      }),
    );
  });

  /** Staging in a transaction that is an array. */
  const outbox = {
    name: "outbox",
    staging: {
      stage: async (transaction: unknown, envelopes: readonly Envelope[]) =>
        void (transaction as Envelope[]).push(...envelopes),
    },
  };

  test("stages envelopes in the transaction, and publishes nothing", async () => {
    const { bus, clock } = await startTestBus({ plugins: [outbox] });
    const seen = collect(bus);
    const rows: Envelope[] = [];
    const inTransaction = bus.withTransaction(rows);
    const now = clock.now();
    const [id] = await inTransaction.emit("order.placed", { total: 1 }, { delay: 1000 });
    await inTransaction.emit([{ name: "order.paid", data: 2, id: "2" }]);
    await clock.advance(60_000);
    expect(seen.data).toEqual([]);
    expect(rows).toMatchObject([
      { id, name: "order.placed", data: { total: 1 }, delayMs: 1000 },
      { id: "2", name: "order.paid", data: 2, metadata: { created_at: now } },
    ]);
  });

  test("runs the interceptors, and validates", async () => {
    const { bus } = await startTestBus({ plugins: [outbox] });
    const contexts: unknown[] = [];
    bus.addInterceptor((event, context) => {
      contexts.push(context);
      return event.data === 1 ? null : { ...event, data: "seen" };
    });
    const rows: Envelope[] = [];
    const ids = await bus
      .withTransaction(rows)
      .emit([1, 2].map((data) => ({ name: "order.placed", data })));
    expect(ids).toHaveLength(2);
    expect(rows).toMatchObject([{ id: ids[1], data: "seen" }]);
    expect(contexts).toEqual([{ isGrouped: false }, { isGrouped: false }]);
    await expect(bus.withTransaction(rows).emit("order placed", 1)).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
    });
    expect(rows).toHaveLength(1);
  });

  test("everything but emit is the bus's own", async () => {
    const { bus } = await startTestBus({ plugins: [outbox] });
    const inTransaction = bus.withTransaction([]);
    const seen: unknown[] = [];
    const handle = ({ data }: { data: unknown }): void => void seen.push(data);
    expect(inTransaction.subscribe("a", handle)).toBe(inTransaction);
    await bus.emit(
      [1, 2].map((data) => ({ name: "a", data, metadata: { eventGroupId: `${data}` } })),
    );
    await inTransaction.releaseGroupedEvents("1");
    await inTransaction.clearGroupedEvents("2");
    await inTransaction.releaseGroupedEvents("2");
    const drop = (): null => null;
    inTransaction.addInterceptor(drop);
    await bus.emit("a", 3);
    inTransaction.removeInterceptor(drop);
    await bus.emit("a", 4);
    await bus.settled();
    inTransaction.unsubscribe("a", handle);
    await bus.emit("a", 5);
    await bus.settled();
    expect(seen).toEqual([1, 4]);
  });

  test("the transaction's failure is the emit's", async () => {
    const error = new Error("the transaction is aborted");
    const { bus } = await startTestBus({
      plugins: [{ name: "outbox", staging: { stage: () => Promise.reject(error) } }],
    });
    await expect(bus.withTransaction({}).emit("a", 1)).rejects.toThrow(error.message);
  });
});

describe("withTransaction() on a provider that publishes within transactions", () => {
  /** Publishes into a transaction that is an array, and refuses what is for the subscription `nobody`. */
  function transactional(groups?: EventProvider["groups"]): EventProvider {
    return providerLike(memoryProvider(), {
      groups,
      transactions: {
        async publish(transaction, batch) {
          if (!Array.isArray(transaction)) throw new TypeError("The transaction is not open");
          return batch.map((envelope): PublishResult => {
            if (envelope.to) {
              const [subscriptionId] = envelope.to;
              const reason = "it is unknown";
              return { status: "rejected", code: "unknown-subscription", reason, subscriptionId };
            }
            transaction.push(envelope);
            return { status: "accepted", subscriptions: envelope.name === "lost" ? 0 : 1 };
          });
        },
      },
    });
  }

  test("publishes in the transaction, and counts and reports that", async () => {
    const { bus } = await startTestBus({ provider: transactional() });
    const unrouted: string[] = [];
    bus.on("unrouted", ({ event }) => void unrouted.push(event.name));
    const rows: Envelope[] = [];
    const [id] = await bus.withTransaction(rows).emit("order.placed", { total: 1 });
    await bus.withTransaction(rows).emit("lost", 2);
    expect(rows).toMatchObject([{ id, data: { total: 1 } }, { name: "lost" }]);
    expect(unrouted).toEqual(["lost"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 2, unrouted: 1 });
  });

  test("rejects as an emit does, and with the TypeError of the provider", async () => {
    const { bus } = await startTestBus({ provider: transactional() });
    await expect(bus.withTransaction([]).emit("a", 1, { to: ["nobody"] })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      details: { id: "nobody" },
    });
    await expect(bus.withTransaction({}).emit("a", 1)).rejects.toThrow(TypeError);
  });

  function staging(): GroupStaging {
    return new MemoryGroupStaging({ clock: systemClock, publish: () => Promise.resolve([]) });
  }

  test("gives the transaction to the groups of the provider", async () => {
    const stagings: unknown[] = [];
    const stage: GroupStaging["stage"] = async (eventGroupId, events, { transaction }) =>
      void stagings.push([eventGroupId, events.length, transaction]);
    const groups = Object.assign(staging(), { stage });
    const { bus } = await startTestBus({ provider: transactional(groups) });
    const rows: Envelope[] = [];
    const metadata = { eventGroupId: "order-1" };
    await bus.withTransaction(rows).emit([
      { name: "a", data: 1, metadata },
      { name: "b", data: 2 },
    ]);
    expect(stagings).toEqual([["order-1", 1, rows]]);
    expect(rows.map(({ name }) => name)).toEqual(["b"]);
  });

  test("a plugin that stages goes before the provider", async () => {
    const staged: string[] = [];
    const stage = async (_transaction: unknown, envelopes: readonly Envelope[]): Promise<void> =>
      void staged.push(...envelopes.map(({ name }) => name));
    const plugins = [{ name: "outbox", staging: { stage } }];
    const { bus } = await startTestBus({ provider: transactional(), plugins });
    const rows: Envelope[] = [];
    await bus.withTransaction(rows).emit("a", 1);
    expect([staged, rows]).toEqual([["a"], []]);
  });
});
