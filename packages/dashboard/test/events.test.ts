import { defineEvents } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { TailView } from "../src/contract/api.ts";
import { type Board, eventsOf, startBoard } from "./support/board.ts";

const events = defineEvents({
  "order.placed": z.object({
    id: z.string().min(3),
    lines: z.array(z.object({ sku: z.string() })),
  }),
});

describe("events", () => {
  test("are listed with those who subscribe, and explained", async () => {
    const { client } = await startBoard({
      events: events as never,
      subscribe: (bus) =>
        bus
          .subscribe("order.*", () => undefined, { subscriberId: "receipt", attempts: 4 })
          .subscribe("order.cancelled", () => undefined, { subscriberId: "stock" })
          .subscribe("ordr.placed", () => undefined, { subscriberId: "typo" }),
    });
    const listed = (await client.get("/api/events")).body.events;
    expect(
      listed.map(({ name, declared, subscribers }: never) => [name, declared, subscribers]),
    ).toEqual([
      ["order.cancelled", false, ["receipt", "stock"]],
      ["order.placed", true, ["receipt"]],
      ["ordr.placed", false, ["typo"]],
    ]);
    expect(listed[1].schema).toMatchObject({ type: "object", required: ["id", "lines"] });
    const explained = (await client.get("/api/events/order.placed/explain")).body;
    expect(explained).toMatchObject({ name: "order.placed", declared: true });
    expect(explained.subscriptions).toEqual([
      expect.objectContaining({
        subscriberId: "receipt",
        matchedBy: ["order.*"],
        policy: expect.objectContaining({ attempts: 4 }),
        instances: 1,
      }),
    ]);
    expect(explained.nearMisses).toEqual([{ subscriberId: "typo", pattern: "ordr.placed" }]);
    expect((await client.get("/api/events/a*/explain")).status).toBeLessThan(500);
  });

  test("are emitted as a test, if they match the schema", async () => {
    const seen: unknown[] = [];
    const { bus, client } = await startBoard({
      events: events as never,
      subscribe: (it) =>
        it.subscribe(
          "**",
          ({ id, data, metadata }) => void seen.push([id, data, metadata["tenant"]]),
          {
            subscriberId: "all",
          },
        ),
    });
    const data = { id: "abc", lines: [] };
    const done = await client.post("/api/events/order.placed/emit", {
      data,
      metadata: { tenant: "t1" },
    });
    expect(done.status).toBe(200);
    await bus.settled();
    expect(seen).toEqual([[done.body.eventId, data, "t1"]]);
    const wrong = await client.post("/api/events/order.placed/emit", {
      data: { id: "a", lines: [{ sku: 1 }] },
    });
    expect(wrong.status).toBe(422);
    expect(wrong.body.errors.map(({ pointer }: never) => pointer)).toEqual([
      "#/data/id",
      "#/data/lines/0/sku",
    ]);
    for (const body of [
      {},
      { data: 1, delayMs: -1 },
      { data: 1, metadata: [] },
      { data: 1, x: 1 },
    ]) {
      expect((await client.post("/api/events/other/emit", body)).status).toBe(422);
    }
    expect((await client.post("/api/events/a*b/emit", { data: {} })).status).toBe(422);
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries.at(-1)).toMatchObject({
      action: "event.emit",
      target: "order.placed",
      details: { eventId: done.body.eventId },
    });
    expect(JSON.stringify(entries)).not.toContain("abc");
  });
});

test("an event is emitted to one of its subscriptions, if the request names it", async () => {
  const seen: string[] = [];
  const { bus, client } = await startBoard({
    subscribe: (it) => {
      for (const subscriberId of ["receipt", "stock"]) {
        it.subscribe("order.placed", () => void seen.push(subscriberId), { subscriberId });
      }
    },
  });
  const path = "/api/events/order.placed/emit";
  const { eventId } = (await client.post(path, { data: {}, to: ["stock"] })).body;
  await bus.settled();
  expect(seen).toEqual(["stock"]);
  expect((await client.post(path, { data: {}, to: ["nobody"] })).status).toBe(404);
  expect((await client.post(path, { data: {}, to: [] })).status).toBe(422);
  const [last] = (await client.get("/api/audit")).body.entries.slice(-1);
  expect(last).toMatchObject({ action: "event.emit", details: { to: ["stock"], eventId } });
});

describe("the tail", () => {
  async function follow({ board, client }: Board, query: string) {
    const request = new Request(`http://shop.test/api/tail?${query}`, {
      headers: { cookie: client.cookie },
    });
    const response = await board.fetch(request);
    return { response, events: eventsOf(response) };
  }

  test("shows what happens to events, as far as the filter wants", async () => {
    const started = await startBoard({
      subscribe: (bus) =>
        bus
          .subscribe("order.*", () => undefined, { subscriberId: "receipt" })
          .subscribe("order.*", () => Promise.reject(new Error("no stock")), {
            subscriberId: "stock",
          }),
    });
    const { bus } = started;
    const all = await follow(started, "");
    const some = await follow(
      started,
      "name=order.*&type=failed,delivered&subscriber=stock&text=STOCK",
    );
    // A tail begins with the first read.
    const firstOfAll = all.events.next();
    const firstOfSome = some.events.next();
    await new Promise((resolve) => setImmediate(resolve));
    const [eventId] = await bus.emit("order.placed", { secret: 1 });
    const first = (await firstOfAll).value as { name: string; data: TailView };
    expect(first).toMatchObject({
      name: "entry",
      data: { type: "emitted", event: { id: eventId, name: "order.placed" }, data: { secret: 1 } },
    });
    const failed = (await firstOfSome).value as { name: string; data: TailView };
    expect(failed.data).toMatchObject({ type: "failed", subscriberId: "stock", attempt: 1 });
    await bus.stop();
    for await (const _ of all.events);
    for await (const _ of some.events);
  });

  test("leaves out what a client does not read, and says how much", async () => {
    const started = await startBoard();
    const { bus } = started;
    const { events } = await follow(started, "type=emitted");
    const first = events.next();
    await new Promise((resolve) => setImmediate(resolve));
    await bus.emit("a", { text: "x".repeat(4_000) });
    await first;
    for (let round = 0; round < 10; round += 1) {
      const batch = Array.from({ length: 50 }, () => ({
        name: "a",
        data: { text: "x".repeat(4_000) },
      }));
      await bus.emit(batch);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    let shown = 1;
    let dropped = 0;
    await bus.emit("last", {});
    for await (const { name, data } of events) {
      const entry = data as TailView;
      if (entry.type === "dropped") dropped += entry.count;
      else shown += 1;
      if (dropped > 0 || (name === "entry" && "event" in entry && entry.event.name === "last"))
        break;
    }
    expect(shown).toBeLessThan(501);
  });

  test.each(["type=other", "types=failed", "name="])("refuses the filter %s", async (query) => {
    const { client } = await startBoard();
    expect((await client.get(`/api/tail?${query}`)).status).toBe(400);
  });
});
