import { describe, expect, test } from "vitest";
import type { Envelope } from "../../src/contract/provider.ts";
import { startTestBus } from "../support/test-bus.ts";
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
