import { localProvider } from "@busbar/local";
import type { EventProvider } from "@busbar/core/provider";
import { outbox } from "@busbar/outbox";
import { sqliteStore } from "@busbar/sql";
import { defineAsyncEvents, webhooks } from "@busbar/webhooks";
import Database from "libsql";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { OutboxView } from "../src/contract/api.ts";
import { startBoard } from "./support/board.ts";
import { signedIn, TOKEN } from "./support/client.ts";
import { providerLike } from "./support/provider-like.ts";

function openDatabase(): Database.Database {
  const database = new Database(":memory:");
  onTestFinished(() => void database.close());
  return database;
}

/** A provider in memory that refuses some events for good. */
function refusing(isRefused: (data: unknown) => boolean): EventProvider {
  const inner = localProvider();
  return providerLike(inner, {
    async publish(batch, options) {
      const results = batch.map(async (envelope) =>
        isRefused(envelope.data)
          ? ({ status: "rejected", code: "refused", reason: "too sad" } as const)
          : (await inner.publish([envelope], options))[0]!,
      );
      return Promise.all(results);
    },
  });
}

describe("the outbox", () => {
  test("is shown with the rows that were set aside, which are retried and discarded", async () => {
    const store = sqliteStore({ database: openDatabase() });
    let refuses = true;
    const plugin = outbox({ store });
    const { bus, client } = await startBoard({
      provider: refusing((data) => refuses && data !== "good"),
      plugins: [plugin],
    });
    expect((await client.get("/api/session")).body.features).toMatchObject({ outbox: true });
    await store.transaction((tx) =>
      bus.withTransaction(tx).emit(["good", "one", "two"].map((data) => ({ name: "a", data }))),
    );
    const view = await vi.waitFor(async () => {
      const { body } = await client.get("/api/outbox");
      expect(body).toMatchObject({ pending: 0, failed: 2 });
      return body as OutboxView;
    });
    expect(view.relay).toMatchObject({ state: expect.any(String), unsettled: expect.any(Number) });
    const [one, two] = view.rows;
    expect(one).toMatchObject({ name: "a", data: "one" });
    expect(one!.error).toContain("too sad");
    refuses = false;
    expect((await client.post("/api/outbox/retry", { ids: [one!.id] })).body).toEqual({ count: 1 });
    expect((await client.post("/api/outbox/discard", { ids: [two!.id] })).body).toEqual({
      count: 1,
    });
    await plugin.drained();
    expect((await client.get("/api/outbox")).body).toMatchObject({ failed: 0, rows: [] });
    expect((await client.post("/api/outbox/retry", {})).body).toEqual({ count: 0 });
    expect((await client.post("/api/outbox/retry", { ids: ["1 OR 1=1"] })).status).toBe(422);
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries[0]).toMatchObject({ action: "outbox.retry", target: "all rows" });
  });

  test("that the bus does not have is answered with 404", async () => {
    const { client } = await startBoard();
    expect((await client.get("/api/outbox")).status).toBe(404);
    expect((await client.get("/api/runs")).status).toBe(404);
    expect((await client.get("/api/webhooks/subscriptions")).status).toBe(404);
  });
});

test("groups are listed, released and cleared", async () => {
  const seen: unknown[] = [];
  const { bus, client } = await startBoard({
    subscribe: (it) => it.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "a" }),
  });
  for (const eventGroupId of ["order/1", "order/2"]) {
    await bus.emit({ name: "a", data: eventGroupId, metadata: { eventGroupId } });
  }
  const { groups } = (await client.get("/api/groups")).body;
  expect(groups).toEqual([
    { eventGroupId: "order/1", events: 1, stagedAt: expect.any(String), marked: false },
    { eventGroupId: "order/2", events: 1, stagedAt: expect.any(String), marked: false },
  ]);
  expect((await client.post("/api/groups/order%2F1/release", {})).status).toBe(200);
  expect((await client.post("/api/groups/order%2F2/clear", {})).status).toBe(200);
  await bus.settled();
  expect(seen).toEqual(["order/1"]);
  expect((await client.get("/api/groups")).body.groups).toEqual([]);
});

test("runs of workflows are shown as their store knows them", async () => {
  const runs = { list: async () => [{ id: "1", startedAt: new Date(0) }] };
  const { client } = await startBoard({ options: { runs } });
  expect((await client.get("/api/session")).body.features).toMatchObject({ runs: true });
  expect((await client.get("/api/runs")).body).toEqual({
    runs: [{ id: "1", startedAt: "1970-01-01T00:00:00.000Z" }],
  });
});

describe("webhooks", () => {
  test("are managed by their REST interface, with the rights of the caller", async () => {
    const hooks = webhooks({
      events: defineAsyncEvents({ "order.placed": {} }),
      store: sqliteStore({ database: openDatabase() }),
      encryptionKeys: [{ id: "1", key: Buffer.alloc(32, 7) }],
      search: { index: false },
    });
    const { board, client } = await startBoard({
      options: {
        basePath: "/busbar",
        token: [
          { name: "ada", token: TOKEN },
          { name: "support", token: "the-token-of-all-1", readOnly: true },
        ],
      },
      plugins: [hooks],
    });
    expect((await client.get("/api/session")).body.features).toMatchObject({ webhooks: true });
    const subscription = { events: ["order.*"], destination: "https://erp.example/hooks" };
    // Hosts may take the base path off the URL, and may leave it.
    const created = await client.post("/api/webhooks/subscriptions", subscription);
    expect(created.status).toBe(201);
    const listed = await client.get("/busbar/api/webhooks/subscriptions");
    expect(listed.body.items).toMatchObject([
      { id: created.body.id, destination: subscription.destination },
    ]);
    expect((await client.get("/api/webhooks/nothing")).status).toBe(404);
    const support = await signedIn(board, { token: "the-token-of-all-1" });
    expect((await support.get("/api/webhooks/subscriptions")).body.items).toHaveLength(1);
    expect((await support.get("/api/webhooks/attempts")).status).toBe(200);
    expect((await support.post("/api/webhooks/subscriptions", subscription)).status).toBe(403);
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries).toMatchObject([
      {
        caller: "ada",
        action: "webhooks.post",
        target: "/subscriptions",
        details: { status: 201 },
      },
    ]);
  });
});
