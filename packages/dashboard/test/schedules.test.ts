import type { EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { describe, expect, test, vi } from "vitest";
import type { ScheduleView } from "../src/contract/api.ts";
import { startBoard } from "./support/board.ts";
import { providerLike } from "./support/provider-like.ts";

const nightly = {
  cron: "0 2 * * *",
  timeZone: "Europe/Berlin",
  event: "report.requested",
  data: { report: "sales" },
};
const id = "reports/nightly 100%";
const path = `/api/schedules/${encodeURIComponent(id)}`;

const listen =
  (seen: string[]) =>
  (bus: EventBus): void => {
    bus.subscribe("report.requested", (event) => void seen.push(event.id), {
      subscriberId: "reports",
    });
  };

describe("schedules", () => {
  test("are listed with their times, the event, and what has become of them", async () => {
    const { client } = await startBoard({
      schedules: {
        [id]: { ...nightly, options: { attempts: 2 }, misfire: "all" },
        poll: { everyMs: 60_000, event: "poll.due", data: null, endAt: new Date("2100-01-01") },
      },
    });
    const { status, body } = await client.get("/api/schedules");
    expect(status).toBe(200);
    const none = { lastDueAt: null, lastFiredAt: null, lastError: null, emitted: 0, paused: false };
    expect(body.schedules).toEqual([
      {
        ...none,
        id: "poll",
        times: { everyMs: 60_000 },
        startAt: null,
        endAt: "2100-01-01T00:00:00.000Z",
        event: "poll.due",
        data: null,
        options: {},
        misfire: "once",
        nextDueAt: expect.stringMatching(/Z$/),
      },
      {
        ...none,
        id,
        times: { cron: "0 2 * * *", timeZone: "Europe/Berlin" },
        startAt: null,
        endAt: null,
        event: "report.requested",
        data: { report: "sales" },
        options: { attempts: 2 },
        misfire: "all",
        nextDueAt: expect.stringMatching(/T0[01]:00:00.000Z$/),
      },
    ]);
  });

  test("are paused, resumed, triggered and removed, which the audit log has", async () => {
    const seen: string[] = [];
    const { bus, client } = await startBoard({
      schedules: { [id]: nightly },
      subscribe: listen(seen),
    });
    const only = async (): Promise<ScheduleView> =>
      (await client.get("/api/schedules")).body.schedules[0];
    expect((await client.post(`${path}/pause`)).status).toBe(200);
    expect(await only()).toMatchObject({ paused: true, nextDueAt: null });
    expect((await client.post(`${path}/resume`)).status).toBe(200);
    expect(await only()).toMatchObject({ paused: false, nextDueAt: expect.any(String) });
    const { eventId } = (await client.post(`${path}/trigger`)).body;
    await bus.settled();
    expect(seen).toEqual([eventId]);
    expect((await client.post(`${path}/remove`)).status).toBe(200);
    expect(await only()).toBeUndefined();
    const { entries } = (await client.get("/api/audit")).body;
    expect(entries).toMatchObject([
      { action: "schedule.remove", target: id, result: "done" },
      { action: "schedule.trigger", target: id, details: { eventId } },
      { action: "schedule.resume", target: id },
      { action: "schedule.pause", target: id },
    ]);
    expect(JSON.stringify(entries)).not.toContain("sales");
    for (const action of ["pause", "resume", "trigger", "remove"]) {
      const { status, body } = await client.post(`${path}/${action}`);
      expect([status, body.type], action).toEqual([404, "urn:busbar:problem:not-found"]);
    }
  });

  test("say why their last emit failed, and when the bus tries again", async () => {
    const { bus, client } = await startBoard({
      subscribe: (it) =>
        it.addInterceptor(() => {
          throw new Error("no stock");
        }),
    });
    await bus.schedules.list();
    const startAt = new Date(Date.now() + 100);
    await bus.schedules.set("poll", { everyMs: 1_000, startAt, event: "poll.due", data: {} });
    const { lastError } = await vi.waitFor(
      async () => {
        const [schedule] = (await client.get("/api/schedules")).body.schedules;
        expect(schedule.lastError).not.toBeNull();
        return schedule as ScheduleView;
      },
      { timeout: 5_000, interval: 10 },
    );
    expect(lastError).toEqual({
      message: "no stock",
      code: null,
      at: expect.stringMatching(/Z$/),
      attempts: 1,
      retryAt: expect.stringMatching(/Z$/),
    });
  });

  test("that the provider does not keep are answered with 409", async () => {
    const { client } = await startBoard({ provider: providerLike(localProvider()) });
    const { status, body } = await client.get("/api/schedules");
    expect([status, body.type]).toEqual([409, "urn:busbar:problem:unsupported"]);
  });
});
