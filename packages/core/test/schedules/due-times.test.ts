import { describe, expect, test } from "vitest";
import { Calendar, latestUntil } from "../../src/schedules/due-times.ts";
import { type Definition, dueUntil } from "../../src/schedules/record.ts";

const event = { event: "a", data: null };
const calendar = new Calendar();

/** The due times from a time to another, in UTC and to the minute. */
async function between(
  definition: Partial<Definition>,
  from: string,
  to: string,
): Promise<readonly string[]> {
  const times = await calendar.dueTimesOf({ ...event, ...definition }, Date.parse(from));
  const found: string[] = [];
  let due = times.after(Date.parse(from) - 1);
  while (due !== undefined && due <= Date.parse(to)) {
    found.push(new Date(due).toISOString().slice(0, 16));
    due = times.after(due);
  }
  return found;
}

const BERLIN = "Europe/Berlin";
const NEW_YORK = "America/New_York";

describe("a cron expression over a change to summer time", () => {
  test.each([
    [BERLIN, "2026-03-28T12:00Z", "2026-03-30T12:00Z", ["2026-03-29T01:00", "2026-03-30T00:30"]],
    [NEW_YORK, "2026-03-07T12:00Z", "2026-03-09T12:00Z", ["2026-03-08T07:00", "2026-03-09T06:30"]],
  ])(
    "is due when the gap ends, if it names a time within it: %s",
    async (timeZone, from, to, due) => {
      expect(await between({ cron: "30 2 * * *", timeZone }, from, to)).toEqual(due);
    },
  );

  test.each([
    [BERLIN, "2026-03-29T00:00Z", "2026-03-29T02:00Z"],
    [NEW_YORK, "2026-03-08T06:00Z", "2026-03-08T08:00Z"],
  ])("goes by the time that passes, if it names no hour: %s", async (timeZone, from, to) => {
    const due = await between({ cron: "*/30 * * * *", timeZone }, from, to);
    expect(due.map((it) => it.slice(11))).toEqual(
      timeZone === BERLIN
        ? ["00:00", "00:30", "01:00", "01:30", "02:00"]
        : ["06:00", "06:30", "07:00", "07:30", "08:00"],
    );
  });

  test("is not due for a step of minutes within an hour that does not occur", async () => {
    const cron = "*/20 2 * * *";
    const due = await between({ cron, timeZone: BERLIN }, "2026-03-28T12:00Z", "2026-03-30T00:00Z");
    expect(due).toEqual(["2026-03-30T00:00"]);
  });
});

describe("a cron expression over a change to winter time", () => {
  test.each([
    [
      BERLIN,
      "30 2 * * *",
      "2026-10-24T12:00Z",
      "2026-10-26T12:00Z",
      ["2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      NEW_YORK,
      "30 1 * * *",
      "2026-10-31T12:00Z",
      "2026-11-02T12:00Z",
      ["2026-11-01T05:30", "2026-11-02T06:30"],
    ],
    [
      BERLIN,
      "15,45 1-2 * * *",
      "2026-10-24T23:00Z",
      "2026-10-25T12:00Z",
      ["2026-10-24T23:15", "2026-10-24T23:45", "2026-10-25T00:15", "2026-10-25T00:45"],
    ],
  ])("is due once for a time that it names: %s %s", async (timeZone, cron, from, to, due) => {
    expect(await between({ cron, timeZone }, from, to)).toEqual(due);
  });

  test("goes by the time that passes, if it has a step", async () => {
    const due = await between(
      { cron: "0 */2 * * *", timeZone: BERLIN },
      "2026-10-24T22:00Z",
      "2026-10-25T04:00Z",
    );
    expect(due.map((it) => it.slice(11))).toEqual(["22:00", "00:00", "01:00", "03:00"]);
  });
});

describe("due times", () => {
  test("of an expression without a time zone are in UTC, and may have seconds", async () => {
    const due = await between({ cron: "*/30 0 2 * * *" }, "2026-03-29T00:00Z", "2026-03-30T00:00Z");
    expect(due).toEqual(["2026-03-29T02:00", "2026-03-29T02:00"]);
  });

  test("of an interval do not drift", async () => {
    const times = await calendar.dueTimesOf({ ...event, everyMs: 7_000 }, 1_000);
    expect([0, 1_000, 1_001, 7_999, 8_000, 1_000_000].map((it) => times.after(it))).toEqual([
      1_000, 8_000, 8_000, 8_000, 15_000, 1_002_000,
    ]);
  });

  test("lie within their begin and end", async () => {
    const day = { startAt: Date.parse("2026-01-02"), endAt: Date.parse("2026-01-04") };
    expect(
      await between({ cron: "@daily", ...day }, "2025-12-01T00:00Z", "2026-12-01T00:00Z"),
    ).toEqual(["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00"]);
  });

  test("find the latest in few steps, however many were missed", async () => {
    const everySecond = await calendar.dueTimesOf({ ...event, cron: "* * * * * *" }, 0);
    let asked = 0;
    const counted = { after: (time: number) => ((asked += 1), everySecond.after(time)) };
    const now = Date.parse("2026-06-01T12:00:00.250Z");
    expect(latestUntil(counted, Date.parse("2025-06-01"), now)).toBe(now - 250);
    expect(asked).toBeLessThan(60);
  });
});

describe("missed due times", () => {
  const now = Date.parse("2026-01-01T12:00:30Z");
  const from = now - 30_000 - 300 * 60_000;

  async function due(misfire: Definition["misfire"], since = from) {
    const times = await calendar.dueTimesOf({ ...event, cron: "* * * * *" }, 0);
    const { times: emitted, last, next } = dueUntil(now, since, times, misfire);
    const ago = emitted.map((time) => (now - time) / 1_000);
    return { ago, last: (now - last) / 1_000, next: next && (next - now) / 1_000 };
  }

  test("lead to one event, for the latest", async () => {
    expect(await due("once")).toEqual({ ago: [30], last: 30, next: 30 });
    expect(await due(undefined)).toEqual(await due("once"));
  });

  test("lead to an event each, at most 100 in one step", async () => {
    const { ago, last, next } = await due("all");
    expect(ago).toEqual(Array.from({ length: 100 }, (_, index) => 30 + (300 - index) * 60));
    expect([last, next]).toEqual([30 + 201 * 60, -(30 + 200 * 60)]);
  });

  test("lead to no event if they are more than 60 seconds ago", async () => {
    expect(await due("skip")).toEqual({ ago: [30], last: 30, next: 30 });
    const times = await calendar.dueTimesOf({ ...event, cron: "0 * * * *" }, 0);
    const hourly = dueUntil(now + 60_000, now - 30_000, times, "skip");
    expect(hourly).toEqual({ times: [], last: now - 30_000, next: now - 30_000 + 3_600_000 });
  });
});
