import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Overview, Sample, SubscriptionHistory } from "../src/contract/api.ts";
import { InstanceRates } from "../src/overview/instance-rates.ts";
import type { InspectedInstance } from "../src/overview/inspected.ts";
import { eventsOf, startBoard } from "./support/board.ts";

/** Lets an overview be older than a second. */
function later(): void {
  const now = performance.now();
  vi.spyOn(performance, "now").mockReturnValue(now + 2_000);
}

describe("the overview", () => {
  test("has the numbers, the guarantees and the processes of the bus", async () => {
    const { bus, client } = await startBoard({
      subscribe: (it) =>
        it
          .subscribe("order.*", () => undefined, { subscriberId: "receipt", attempts: 3 })
          .subscribe("order.placed", () => Promise.reject(new Error("no")), {
            subscriberId: "stock",
          }),
    });
    await bus.emit("order.placed", { id: 1 });
    await bus.settled();
    later();
    const { status, body } = await client.get("/api/overview");
    expect(status).toBe(200);
    const overview = body as Overview;
    expect(overview).toMatchObject({ bus: "busbar", provider: "local", statsLagMs: 0 });
    expect(overview.health.status).toBe("up");
    expect(overview.totals).toMatchObject({ backlog: 0, dead: 1, oldestAt: null });
    expect(overview.subscriptions.map(({ subscriberId }) => subscriberId)).toEqual([
      "receipt",
      "stock",
    ]);
    const [receipt, stock] = overview.subscriptions;
    expect(receipt).toMatchObject({ events: ["order.*"], here: true, instances: 1, paused: false });
    expect(receipt!.policies).toEqual([expect.objectContaining({ attempts: 3 })]);
    expect(receipt!.runs).toMatchObject({ delivered: 1, failed: 0 });
    expect(receipt!.runs!.p99Ms).toBeGreaterThan(0);
    expect(stock).toMatchObject({ dead: 1, runs: { delivered: 0, failed: 1, dead: 1 } });
    expect(overview.instances).toEqual([
      expect.objectContaining({
        pid: process.pid,
        here: true,
        subscriptions: ["receipt", "stock"],
      }),
    ]);
    const durable = overview.guarantees.find(({ id }) => id === "durable")!;
    expect(durable).toMatchObject({ holds: false });
    expect(durable.detail).toContain("lost");
    expect((await client.get("/api/instances")).body.instances).toEqual(overview.instances);
    expect((await client.get("/api/subscriptions")).body.subscriptions).toHaveLength(2);
  });

  test("is made once for requests within a second", async () => {
    const { bus, client } = await startBoard();
    await client.get("/api/overview");
    const inspect = vi.spyOn(bus, "inspect");
    await Promise.all([client.get("/api/overview"), client.get("/api/overview")]);
    expect(inspect).toHaveBeenCalledTimes(0);
    later();
    await Promise.all([client.get("/api/overview"), client.get("/api/overview")]);
    expect(inspect).toHaveBeenCalledTimes(1);
  });

  test("keeps the last numbers while the provider cannot be reached, and says so", async () => {
    const { bus, client } = await startBoard({
      subscribe: (it) => it.subscribe("a", () => undefined, { subscriberId: "a" }),
    });
    await client.get("/api/overview");
    vi.spyOn(bus, "inspect").mockRejectedValue(new Error("gone"));
    const health = { status: "down", since: new Date(), consuming: false, provider: "local" };
    vi.spyOn(bus, "health").mockResolvedValue({ ...health, detail: "no connection" } as never);
    later();
    const { status, body } = await client.get("/api/overview");
    expect(status).toBe(200);
    expect(body.health).toMatchObject({ status: "down", detail: "no connection" });
    expect(body.subscriptions).toHaveLength(1);
  });
});

describe("the history of a subscription", () => {
  test("has its backlog and its run times, and nothing of the others", async () => {
    const { bus, client } = await startBoard({
      subscribe: (it) =>
        it
          .subscribe("a", () => undefined, { subscriberId: "a" })
          .subscribe("b", () => undefined, { subscriberId: "b" }),
    });
    await bus.emit("a", {});
    await bus.settled();
    await bus.pause("a");
    await bus.emit("a", {});
    later();
    await client.get("/api/overview");
    const { status, body } = await client.get("/api/subscriptions/a/history");
    expect(status).toBe(200);
    const { samples } = body as SubscriptionHistory;
    expect(samples.at(-1)).toMatchObject({ backlog: 1, oldestAt: expect.any(String) });
    expect(samples.at(-1)!.p95Ms).toBeGreaterThan(0);
    const other = (await client.get("/api/subscriptions/b/history")).body as SubscriptionHistory;
    expect(other.samples.at(-1)).toMatchObject({ backlog: 0, oldestAt: null, p95Ms: null });
    const none = await client.get("/api/subscriptions/no-such/history");
    expect(none.body).toEqual({ samples: [] });
  });
});

describe("the live numbers", () => {
  test("begin with the history, and end with the bus", async () => {
    const { board, bus, client } = await startBoard();
    const { cookie } = client;
    const request = new Request("http://shop.test/api/live", { headers: { cookie } });
    const response = await board.fetch(request);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = eventsOf(response);
    const history = (await events.next()).value as { name: string; data: { samples: Sample[] } };
    expect(history.name).toBe("history");
    expect(history.data.samples[0]).toMatchObject({
      rates: { emitted: 0 },
      totals: { backlog: 0 },
    });
    expect((await events.next()).value).toMatchObject({ name: "overview" });
    await bus.stop();
    for await (const _ of events);
  });

  test("are not followed any more when the client has gone", async () => {
    const { board, client } = await startBoard();
    const gone = new AbortController();
    const open = (signal: AbortSignal) =>
      board.fetch(
        new Request("http://shop.test/api/live", { headers: { cookie: client.cookie }, signal }),
      );
    const cancelled = await open(new AbortController().signal);
    await cancelled.body!.cancel();
    const aborted = await open(gone.signal);
    gone.abort();
    for await (const _ of eventsOf(aborted));
  });

  test("leave nothing behind for a client that goes before the first of them", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const { board, bus, client } = await startBoard();
    const inspection = await bus.inspect();
    const inspect = vi.spyOn(bus, "inspect");
    let look = (): void => undefined;
    inspect.mockReturnValueOnce(
      new Promise((resolve) => {
        look = () => resolve(inspection);
      }),
    );
    await vi.advanceTimersByTimeAsync(1_500);
    const gone = new AbortController();
    const { signal } = gone;
    const headers = { cookie: client.cookie };
    const response = await board.fetch(
      new Request("http://shop.test/api/live", { headers, signal }),
    );
    expect(inspect).toHaveBeenCalledTimes(1);
    gone.abort();
    look();
    for await (const _ of eventsOf(response));
    inspect.mockClear();
    await vi.advanceTimersByTimeAsync(20_000);
    // Every 5 seconds, as without a client; it would be every 2 seconds with one.
    expect(inspect.mock.calls.length).toBeLessThanOrEqual(4);
  });

  test("end at once for a client that has gone before they begin", async () => {
    const { board, client } = await startBoard();
    const init = { headers: { cookie: client.cookie }, signal: AbortSignal.abort() };
    const response = await board.fetch(new Request("http://shop.test/api/live", init));
    for await (const _ of eventsOf(response));
  });

  test("are refused to the client after a hundred, and to a HEAD they cost nothing", async () => {
    const { board, client } = await startBoard();
    const open = (method = "GET") =>
      board.fetch(
        new Request("http://shop.test/api/live", { method, headers: { cookie: client.cookie } }),
      );
    const heads = await Promise.all(Array.from({ length: 101 }, () => open("HEAD")));
    expect(heads.map(({ status }) => status)).not.toContain(503);
    const all = await Promise.all(Array.from({ length: 101 }, () => open()));
    const statuses = all.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expect(statuses.filter((status) => status === 503)).toHaveLength(1);
    for (const { body } of all) await body?.cancel();
    const again = await open();
    expect(again.status).toBe(200);
    await again.body!.cancel();
  });
});

describe("rates", () => {
  const instance = (instanceId: string, seconds: number, emitted: number): InspectedInstance =>
    ({
      instanceId,
      seenAt: new Date(seconds * 1_000),
      counters: { emitted, acknowledged: 0, failed: 0, dead: 0 },
    }) as unknown as InspectedInstance;

  test("go by the reports of each process, however often they are looked at", () => {
    const rates = new InstanceRates();
    rates.update([instance("a", 0, 100), instance("b", 1, 0)]);
    expect(rates.update([instance("a", 5, 150), instance("b", 6, 100)]).emitted).toBe(30);
    // The same reports again.
    expect(rates.update([instance("a", 5, 150), instance("b", 6, 100)]).emitted).toBe(30);
    // One has gone, and another one has come, with all that it has done before.
    expect(rates.update([instance("a", 10, 150), instance("c", 10, 9_999)]).emitted).toBe(0);
    // A clock was set back.
    expect(rates.update([instance("a", 1, 200), instance("c", 15, 10_004)]).emitted).toBe(1);
  });
});
