import { describe, expect, test } from "vitest";
import { createClient } from "./support/client.ts";

describe("the delivery log over REST", () => {
  test("deliveries and attempts come in pages", async () => {
    const { call } = await createClient();
    const deliveries = await call("GET", "/deliveries?query=event_name:%20order.*&limit=2");
    expect(deliveries.body.items[0].statusText).toBe("Delivered after 1 retry");
    expect(deliveries.headers.get("link")).toContain("query=event_name%3A+order.*");
    const last = await call("GET", `/deliveries?cursor=${deliveries.body.cursor}`);
    expect(last.body.cursor).toBeNull();
    const attempts = await call(
      "GET",
      "/attempts?since=2026-11-30&until=2026-12-01T00:00:00%2B01:00",
    );
    expect(attempts.body.items).toHaveLength(2);
    expect((await call("GET", "/attempts/count?query=success:true")).body).toEqual({ count: 2 });
  });

  test("a trace has the payload and all attempts", async () => {
    const { call } = await createClient();
    const trace = await call("GET", "/deliveries/delivery-1");
    expect(trace.body).toMatchObject({
      payload: { id: 1 },
      attempts: [{ number: 2, trigger: "retry" }],
    });
    expect((await call("GET", "/deliveries/none")).status).toBe(404);
  });

  test("a search that is malformed names the position", async () => {
    const { call } = await createClient();
    for (const path of ["/deliveries", "/attempts", "/attempts/count", "/attempts/export"]) {
      const refused = await call("GET", `${path}?query=a:(`);
      expect(refused.status, path).toBe(400);
      expect(refused.body.errors).toMatchObject([{ parameter: "query", position: 3 }]);
    }
    const refused = await call("POST", "/replays", { body: { query: "a:(" } });
    expect(refused.status).toBe(422);
    expect(refused.body.errors).toMatchObject([{ pointer: "#/query", position: 3 }]);
  });

  test("an export is streamed as CSV or NDJSON", async () => {
    const { call } = await createClient();
    const csv = await call("GET", "/attempts/export");
    expect(csv.text).toBe("id,success\r\n7,true\r\n");
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="attempts.csv"');
    const lines = await call("GET", "/attempts/export?format=ndjson");
    expect(lines.text).toBe('{"id":"7"}\n');
    expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
  });

  test("a client that leaves ends the export", async () => {
    const { handler, services } = await createClient();
    let resolve!: (reason: unknown) => void;
    const cancelled = new Promise<unknown>((it) => (resolve = it));
    services.log.export = () =>
      new ReadableStream({
        pull: (it) => it.enqueue("line\n"),
        cancel: (reason) => resolve(reason),
      });
    const response = await handler(
      new Request("http://api.test/attempts/export", {
        headers: { authorization: "Bearer a-token-for-everything" },
      }),
    );
    await response.body!.cancel("left");
    expect(await cancelled).toBe("left");
  });

  test("HEAD of an export reads nothing further", async () => {
    const { call, services } = await createClient();
    let resolve!: () => void;
    const cancelled = new Promise<void>((it) => (resolve = it));
    services.log.export = () =>
      new ReadableStream({ pull: (it) => it.enqueue("line\n"), cancel: () => resolve() });
    expect((await call("HEAD", "/attempts/export")).status).toBe(200);
    await cancelled;
  });

  test("a delivery is replayed or cancelled on behalf of the caller", async () => {
    const { call, services } = await createClient();
    const replayed = await call("POST", "/deliveries/delivery-1/replay");
    expect(replayed.status).toBe(202);
    expect(replayed.body.state).toBe("waiting");
    expect(services.calls).toEqual([["replay", "delivery-1", { by: "admin" }]]);
    expect((await call("POST", "/deliveries/delivery-1/cancel")).status).toBe(200);
    expect((await call("POST", "/deliveries/none/cancel")).status).toBe(404);
  });

  test("a replay is counted, started, watched and cancelled", async () => {
    const { call, services } = await createClient();
    const body = {
      query: "success: false",
      since: "2026-11-29T00:00:00Z",
      to: "matched",
      perSecond: 5,
    };
    expect((await call("POST", "/replays", { body: { ...body, dryRun: true } })).body).toEqual({
      count: 3,
    });
    const started = await call("POST", "/replays", { body });
    expect(started.status).toBe(202);
    expect(started.headers.get("location")).toBe("replays/replay-1");
    expect(services.calls.at(-1)).toEqual([
      "start",
      {
        query: "success: false",
        since: new Date("2026-11-29T00:00:00Z"),
        until: undefined,
        to: "matched",
        perSecond: 5,
        by: "admin",
      },
    ]);
    expect((await call("GET", "/replays")).body.items).toHaveLength(1);
    expect((await call("GET", "/replays/replay-1")).body.total).toBe(3);
    expect((await call("POST", "/replays/replay-1/cancel")).body.state).toBe("cancelled");
    expect((await call("GET", "/replays/none")).status).toBe(404);
  });

  test("what has failed is recovered", async () => {
    const { call, services } = await createClient();
    const recovered = await call("POST", "/recover", {
      body: { since: "2026-11-29T00:00:00Z", subscriptionId: "s" },
    });
    expect(recovered.status).toBe(202);
    expect(services.calls.at(-1)).toEqual([
      "recover",
      new Date("2026-11-29T00:00:00Z"),
      { by: "admin", perSecond: undefined, subscriptionId: "s" },
    ]);
  });

  test("one event is matched anew", async () => {
    const { call, services } = await createClient();
    const begun = await call("POST", "/events/event-1/replay");
    expect(begun).toMatchObject({ status: 202, body: { deliveries: 2 } });
    expect(services.calls.at(-1)).toEqual(["replay event", "event-1", { by: "admin" }]);
    expect((await call("POST", "/events/none/replay")).status).toBe(404);
  });

  test("events, notifiers and filters are there for forms", async () => {
    const { call } = await createClient();
    expect((await call("GET", "/events")).body.items).toHaveLength(3);
    expect((await call("GET", "/notifiers")).body.items[0].name).toBe("http");
  });
});
