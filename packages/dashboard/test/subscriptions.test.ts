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
