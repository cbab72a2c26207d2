import { describe, expect, test } from "vitest";
import { startBoard } from "./support/board.ts";

const subscribe: NonNullable<Parameters<typeof startBoard>[0]>["subscribe"] = (bus) =>
  bus.subscribe("order.*", () => undefined, { subscriberId: "ship it" });
const path = "/api/subscriptions/ship%20it";

describe("a subscription", () => {
  test("is paused here, its backlog is looked at, and it is resumed", async () => {
    const { bus, client } = await startBoard({ subscribe });
    expect((await client.post(`${path}/pause`, { everywhere: false })).status).toBe(200);
    const { subscriptions } = (await client.get("/api/subscriptions")).body;
    expect(subscriptions[0]).toMatchObject({ paused: true, pausedEverywhere: false });
    await bus.emit(Array.from({ length: 3 }, (_, n) => ({ name: "order.placed", data: { n } })));
    const all = (await client.get(`${path}/waiting?limit=2`)).body;
    expect(all.items).toHaveLength(2);
    expect(all.items[0]).toMatchObject({
      state: "ready",
      event: { name: "order.placed", data: { n: 0 } },
    });
    const [, second] = all.items;
    const found = (await client.get(`${path}/waiting?eventId=${second.event.id}`)).body;
    expect(found.items).toEqual([second]);
    expect((await client.post(`${path}/resume`, { everywhere: false })).status).toBe(200);
    await bus.settled();
    expect((await client.get(`${path}/waiting`)).body).toEqual({ items: [], cursor: null });
  });

  test("is drained, and retired", async () => {
    const { bus, client } = await startBoard({ subscribe });
    await client.post(`${path}/pause`, { everywhere: false });
    await bus.emit("order.placed", {});
    expect((await client.post(`${path}/drain`, {})).body).toEqual({ count: 1 });
    await bus.emit("order.placed", {});
    expect((await client.post(`${path}/retire`, { backlog: "discard" })).body).toEqual({
      count: 1,
    });
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries).toMatchObject([
      {
        action: "subscription.retire",
        target: "ship it",
        details: { backlog: "discard", count: 1 },
      },
      { action: "subscription.drain", details: { count: 1 } },
      { action: "subscription.pause", details: { everywhere: false } },
    ]);
  });

  test("shows the rate and the batch of its policy", async () => {
    const { client } = await startBoard({
      subscribe: (bus) =>
        bus.subscribe("order.*", (_events, _context) => undefined, {
          subscriberId: "index",
          rate: { max: 10, perMs: 1_000 },
          batch: { maxEvents: 50, maxWaitMs: 200 },
        }),
    });
    const policy = {
      concurrency: 1,
      rate: { max: 10, perMs: 1_000 },
      batch: { maxEvents: 50, maxWaitMs: 200 },
    };
    const { subscriptions } = (await client.get("/api/subscriptions")).body;
    expect(subscriptions).toMatchObject([{ policies: [policy] }]);
    const explained = (await client.get("/api/events/order.placed/explain")).body;
    expect(explained.subscriptions).toMatchObject([{ policy }]);
  });

  test("that nobody knows is answered with 404, and a wrong option with 422", async () => {
    const { client } = await startBoard({ subscribe });
    for (const action of ["pause", "resume", "drain", "retire"]) {
      const { status } = await client.post(`/api/subscriptions/nobody/${action}`, {});
      expect([404, 409], action).toContain(status);
      const wrong = await client.post(`${path}/${action}`, { everywhere: "yes" });
      expect(wrong.status).toBe(422);
    }
    expect((await client.get("/api/subscriptions/nobody/waiting")).status).toBe(404);
    expect((await client.get(`${path}/waiting?cursor=x`)).status).toBe(400);
  });
});

describe("the pending deliveries of an event", () => {
  const pending = async () => {
    const started = await startBoard({
      subscribe: (bus) =>
        bus
          .subscribe("order.*", () => undefined, { subscriberId: "ship it" })
          .subscribe("order.*", () => undefined, { subscriberId: "ledger" }),
    });
    const [eventId] = await started.bus.emit("order.placed", { n: 7 }, { delay: 60_000 });
    return { ...started, eventId };
  };
  const cancel = "/api/cancel";

  test("are cancelled: those of one subscription, then all that are left", async () => {
    const { client, eventId } = await pending();
    const one = await client.post(cancel, { eventId, subscriberId: "ship it" });
    expect([one.status, one.body]).toEqual([200, { count: 1 }]);
    expect((await client.get(`${path}/waiting`)).body.items).toEqual([]);
    const left = (await client.get("/api/subscriptions/ledger/waiting")).body.items;
    expect(left).toMatchObject([{ event: { id: eventId } }]);
    expect((await client.post(cancel, { eventId })).body).toEqual({ count: 1 });
    expect((await client.post(cancel, { eventId })).body).toEqual({ count: 0 });
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries).toMatchObject([
      { action: "event.cancel", target: eventId, details: { count: 0 } },
      { action: "event.cancel", target: eventId, details: { count: 1 } },
      { action: "event.cancel", target: eventId, details: { subscriberId: "ship it", count: 1 } },
    ]);
  });

  test("are not cancelled by a request that is wrong", async () => {
    const { client, eventId } = await pending();
    for (const body of [
      {},
      { eventId: "" },
      { eventId, subscriberId: 1 },
      { eventId, all: true },
    ]) {
      expect((await client.post(cancel, body)).status).toBe(422);
    }
    expect((await client.post(cancel, { eventId, subscriberId: "nobody" })).status).toBe(404);
    expect((await client.get(`${path}/waiting`)).body.items).toHaveLength(1);
  });
});
