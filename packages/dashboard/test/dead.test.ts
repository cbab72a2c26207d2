import { describe, expect, test, vi } from "vitest";
import type { DeadSummary, JobView } from "../src/contract/api.ts";
import { type Board, startBoard } from "./support/board.ts";

/** A bus on which every event dies until `mend` is called. */
async function startWithDead(count: number): Promise<Board & { mend(): void; handled: unknown[] }> {
  let isBroken = true;
  const handled: unknown[] = [];
  const started = await startBoard({
    subscribe: (bus) =>
      bus.subscribe(
        "order.*",
        ({ data }) => {
          if (isBroken) throw new Error("connect ECONNREFUSED");
          handled.push(data);
        },
        { subscriberId: "ship/it" },
      ),
  });
  const messages = Array.from({ length: count }, (_, n) => ({ name: "order.placed", data: { n } }));
  await started.bus.emit(messages);
  await started.bus.settled();
  return { ...started, handled, mend: () => void (isBroken = false) };
}

const subscriberId = "ship/it";
const path = `/api/dead/${encodeURIComponent(subscriberId)}`;

async function ended(board: Board, { id }: JobView): Promise<JobView> {
  return vi.waitFor(async () => {
    const job = (await board.client.get(`/api/jobs/${id}`)).body as JobView;
    expect(job.state).not.toBe("running");
    return job;
  });
}

describe("dead letters", () => {
  test("are listed in pages, with a filter, and read one by one", async () => {
    const { client } = await startWithDead(7);
    const first = (await client.get("/api/dead?limit=5")).body;
    expect(first).toMatchObject({ looked: 5, total: 7 });
    const second = (
      await client.get(`/api/dead?limit=5&cursor=${encodeURIComponent(first.cursor)}`)
    ).body;
    expect(second).toMatchObject({ looked: 2, cursor: null });
    expect(second.items).toHaveLength(2);
    const filter = new URLSearchParams({
      subscriberId,
      eventName: "order.*",
      reason: "failed",
      error: "econnrefused",
      text: '"n":3',
      diedAfter: "2026-01-01T00:00:00Z",
    });
    const { items } = (await client.get(`/api/dead?${filter.toString()}`)).body;
    const [found] = items as DeadSummary[];
    expect(items).toHaveLength(1);
    expect(found).toMatchObject({ subscriberId, eventName: "order.placed", attempts: 1 });
    expect(found!.error).toEqual({ name: "Error", message: "connect ECONNREFUSED" });
    const one = (await client.get(`${path}/${found!.id}`)).body;
    expect(one.event.data).toEqual({ n: 3 });
    expect(one.errors[0].stack).toContain("ECONNREFUSED");
    const counted = await client.get(`/api/dead/count?${filter.toString()}`);
    expect(counted.body).toEqual({ count: 1, looked: 7, cursor: null, total: 7 });
    const before = await client.get("/api/dead?diedBefore=2026-01-01T00:00:00Z");
    expect(before.body.items).toEqual([]);
  });

  test("are replayed by their ids, as they are or edited, and discarded", async () => {
    const board = await startWithDead(3);
    const { client, bus, handled, mend } = board;
    const { items } = (await client.get("/api/dead")).body;
    const [a, b, c] = (items as DeadSummary[]).map(({ id }) => id);
    mend();
    const replayed = await client.post("/api/dead/replay", { subscriberId, ids: [a] });
    expect(replayed.body).toEqual({ count: 1 });
    const edited = await client.post(`${path}/${b}/replay`, { data: { n: "edited" } });
    expect(edited.body).toEqual({ count: 1 });
    await bus.settled();
    expect(handled).toEqual([{ n: 0 }, { n: "edited" }]);
    const discarded = await client.post("/api/dead/discard", { subscriberId, ids: [c, "unknown"] });
    expect(discarded.body).toEqual({ count: 1 });
    expect((await client.get("/api/dead")).body.total).toBe(0);
    expect((await client.post(`${path}/${b}/replay`, {})).status).toBe(404);
    const { entries } = (await client.get("/api/audit")).body;
    expect(JSON.stringify(entries)).not.toContain('"n"');
    expect(entries.map(({ action, result }: never) => [action, result])).toEqual([
      ["dead.replay", "failed"],
      ["dead.discard", "done"],
      ["dead.replay", "done"],
      ["dead.replay", "done"],
    ]);
    expect(entries[2]).toMatchObject({ caller: "operator", details: { edited: true, count: 1 } });
  });

  test("are replayed by a filter as a job, that says how far it is", async () => {
    const board = await startWithDead(250);
    board.mend();
    const { status, body } = await board.client.post("/api/dead/replay", {
      where: { error: "ECONNREFUSED" },
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      state: "running",
      startedBy: "operator",
      what: "replay dead letters",
    });
    const job = await ended(board, body as JobView);
    expect(job).toMatchObject({
      state: "done",
      looked: 250,
      matched: 250,
      done: 250,
      total: 250,
      error: null,
    });
    expect(job.endedAt).not.toBeNull();
    await board.bus.settled();
    expect(board.handled).toHaveLength(250);
    const { jobs } = (await board.client.get("/api/jobs")).body;
    expect(jobs).toEqual([job]);
    const { entries } = (await board.client.get("/api/audit")).body;
    expect(entries[0]).toMatchObject({
      action: "dead.replay",
      details: { where: { error: "ECONNREFUSED" }, state: "done", done: 250 },
    });
  });

  test("are discarded by a filter as a job", async () => {
    const board = await startWithDead(3);
    const { body } = await board.client.post("/api/dead/discard", { where: { text: '"n":1' } });
    expect(await ended(board, body as JobView)).toMatchObject({ matched: 1, done: 1, total: 3 });
    expect((await board.client.get("/api/dead")).body.total).toBe(2);
  });

  test.each([
    ["/api/dead?cursor=x", "cursor"],
    ["/api/dead?limit=0", "limit"],
    ["/api/dead?limit=1&limit=2", "limit"],
    ["/api/dead?eventName=**.a", "eventName"],
    ["/api/dead?diedAfter=yesterday", "diedAfter"],
    ["/api/dead?what=1", "what"],
  ])("refuse %s", async (address, name) => {
    const { client } = await startWithDead(1);
    const { status, body } = await client.get(address);
    expect([status, body.detail]).toEqual([400, expect.stringContaining(name)]);
  });

  test("refuse actions that say nothing, too much, or something wrong", async () => {
    const { client } = await startWithDead(1);
    for (const body of [{}, { ids: ["1"] }, { subscriberId, ids: [] }, { where: {}, ids: ["1"] }]) {
      expect((await client.post("/api/dead/replay", body)).status).toBe(422);
    }
    const wrong = { where: { eventName: "**.a" } };
    expect((await client.post("/api/dead/discard", wrong)).status).toBe(400);
    const unknown = { where: { subscriberId: "nobody" } };
    expect((await client.post("/api/dead/discard", unknown)).status).toBe(404);
    expect((await client.get("/api/dead/nobody/1")).status).toBe(404);
    expect((await client.get("/api/jobs/1")).status).toBe(404);
  });
});
