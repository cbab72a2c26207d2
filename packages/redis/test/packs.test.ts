import type { Envelope, Ordering } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { createJobIds, eventsOf, withEvents } from "../src/store/job-ids.ts";
import { packBatch, type PackBounds } from "../src/publish/packs.ts";
import { packHead, type Route, type Target, turnHead } from "../src/registry/routes.ts";
import { commonParts, encodeLean } from "../src/store/stored-events.ts";
import { envelope } from "./support/test-session.ts";

const BOUNDS: PackBounds = {
  maxEvents: 3,
  maxBytes: 64_000,
  deduplicationWindowMs: 60,
  bodies: true,
  maxJobs: 100,
};

function target(id: string, ordering: Ordering = "none"): Target {
  const spec = { subscription: id, queue: `${id}:`, reviveAfterMs: 1, head: packHead(id) };
  return { spec, ordering, scope: id, turnHead: turnHead(id) };
}

function route(...targets: readonly Target[]): Route {
  const has = (ordering: Ordering) => targets.some((it) => it.ordering === ordering);
  return { targets, ordersAll: has("all"), ordersKeys: has("key"), isNamed: false };
}

/** What a queue gets: ids of the events of each job, with its priority and delay. */
function pack(
  batch: readonly Envelope[],
  routes: Readonly<Record<string, Route>>,
  bounds: PackBounds = BOUNDS,
) {
  const none = route();
  const packed = packBatch(batch, ({ name }) => routes[name] ?? none, bounds, createJobIds());
  const jobs = packed.packs.map(({ target: at, events, count, job, tail }) => {
    const texts = events.map((position) => packed.texts[position - 1]);
    const head = packed.targets[at - 1]?.head;
    const data = tail === undefined ? texts.join(",") : `${head}${texts.join(",")}${tail}`;
    const parsed = JSON.parse(data);
    const ids = parsed.events.map(({ id }: Envelope) => id);
    expect(parsed.subscription).toBe(packed.targets[at - 1]?.subscription);
    expect([count, eventsOf(job.id)]).toEqual([ids.length, ids.length]);
    return { to: parsed.subscription, ids, job, key: parsed.key };
  });
  const lanes = packed.lanes.map(({ target: at, event, key, turn }) => ({
    to: packed.targets[at - 1]?.subscription,
    id: JSON.parse(packed.texts[event - 1] ?? "").id,
    key,
    turn,
  }));
  return { jobs, lanes, texts: packed.texts };
}

/** How many events of a batch are packed. */
function packedOf(
  batch: readonly Envelope[],
  routes: Readonly<Record<string, Route>>,
  bounds: PackBounds,
): number {
  const none = route();
  return packBatch(batch, ({ name }) => routes[name] ?? none, bounds, createJobIds()).routes.length;
}

const numbered = (count: number, changes: Partial<Envelope> = {}) =>
  Array.from({ length: count }, (_, index) => envelope(`${index}`, changes));

describe("packBatch", () => {
  test("keeps the order, and fills packs up to their bound", () => {
    const { jobs, texts } = pack(numbered(7), { "order.placed": route(target("a")) });
    expect(jobs.map(({ ids }) => ids)).toEqual([["0", "1", "2"], ["3", "4", "5"], ["6"]]);
    expect(texts).toHaveLength(3);
  });

  test("counts bytes, and gives an event that is too large a pack of its own", () => {
    const one = JSON.stringify(envelope("0")).length + 1;
    const batch = [...numbered(3), envelope("ü".repeat(one)), envelope("4")];
    const bounds = { ...BOUNDS, maxBytes: 2 * one };
    const { jobs } = pack(batch, { "order.placed": route(target("a")) }, bounds);
    expect(jobs.map(({ ids }) => ids.length)).toEqual([2, 1, 1, 1]);
  });

  test("fills packs with events of different sizes as if each were encoded alone", () => {
    const bounds = { ...BOUNDS, maxEvents: 20, maxBytes: 2_000, bodies: false };
    const lengths = Array.from({ length: 300 }, (_, index) =>
      index % 41 === 0 ? 5_000 : (index * index * 37) % (index % 7 === 0 ? 900 : 60),
    );
    const batch = lengths.map((length, index) =>
      envelope(`${index}`, { data: "ü".repeat(length), name: index % 3 === 0 ? "x" : "y" }),
    );
    const to = route(target("a"));
    const { jobs, texts } = pack(batch, { x: to, y: to }, bounds);

    const expected: string[][] = [];
    let room = 0;
    for (const it of batch) {
      const bytes = Buffer.byteLength(encodeLean([it], commonParts(batch))) + 1;
      const present = expected.at(-1);
      if (present && bytes <= room && present.length < bounds.maxEvents) present.push(it.id);
      else expected.push([it.id]);
      room = (expected.at(-1) === present ? room : bounds.maxBytes) - bytes;
    }
    expect(jobs.map(({ ids }) => ids)).toEqual(expected);
    expect(texts).toHaveLength(expected.length);
  });

  test("encodes events one by one that are together longer than a text can be", () => {
    let left = 0;
    const data = {
      toJSON: () => {
        left -= 1;
        if (left === 0) throw new RangeError("Invalid string length");
        return 1;
      },
    };
    const batch = numbered(5, { data: data as never });
    // The first one is encoded to know how large they are.
    left = 3;
    const { jobs } = pack(
      batch,
      { "order.placed": route(target("a")) },
      { ...BOUNDS, maxEvents: 9 },
    );
    expect(left).toBeLessThan(0);
    expect(jobs.map(({ ids }) => ids)).toEqual([["0", "1", "2", "3", "4"]]);
  });

  test("encodes an event once for all that want it", () => {
    const b = target("b");
    const routes = { "order.placed": route(target("a"), b), x: route(b) };
    const batch = [envelope("1"), envelope("2"), envelope("3", { name: "x" }), envelope("4")];
    const { jobs, texts } = pack(batch, routes);
    expect(jobs.map(({ to, ids }) => [to, ...ids])).toEqual([
      ["a", "1", "2", "4"],
      ["b", "1", "2", "3"],
      ["b", "4"],
    ]);
    expect(texts).toHaveLength(3);
    expect(jobs.map(({ job }) => job.name)).toEqual([
      "order.placed",
      "order.placed +2",
      "order.placed",
    ]);
  });

  test("keeps apart what differs in priority or delay", () => {
    const batch = [
      envelope("1"),
      envelope("2", { priority: 100 }),
      envelope("3", { priority: 1 }),
      envelope("4", { delayMs: 0 }),
      envelope("5", { delayMs: 5 }),
    ];
    const { jobs } = pack(batch, { "order.placed": route(target("a")) });
    expect(jobs.map(({ ids, job }) => [job.priority, job.delay, ...ids])).toEqual([
      [100, 0, "1", "2"],
      [1, 0, "3"],
      [100, 0, "4"],
      [100, 5, "5"],
    ]);
  });

  test("leaves the rest of a batch when there are enough jobs, and no event in part", () => {
    const a = target("a");
    const routes = { "order.placed": route(a, target("b"), target("c")), x: route(a) };
    const ordered = { "order.placed": route(target("d", "all"), target("e")) };
    const alone = Array.from({ length: 5 }, (_, at) => envelope(`${at}`, { priority: at + 1 }));
    const bounds = { ...BOUNDS, maxJobs: 4 };
    expect(packedOf(alone, routes, bounds)).toBe(3);
    expect(packedOf(numbered(3), ordered, bounds)).toBe(2);
    expect(packedOf(numbered(5, { name: "x" }), routes, bounds)).toBe(5);
    expect(packedOf(numbered(5, { name: "nobody's" }), routes, bounds)).toBe(5);
    // Three jobs that refer to packs of a body, twenty each.
    const many = numbered(3 * 25);
    expect(packedOf(many, routes, { ...bounds, maxJobs: 7 })).toBe(many.length);
    expect(packedOf(many, routes, { ...bounds, maxJobs: 7, bodies: false })).toBe(10);
  });

  test("what may be a duplicate is alone, and what follows stays behind it", () => {
    const batch = [envelope("1"), envelope("2", { deduplicationId: "d" }), envelope("3")];
    const { jobs } = pack(batch, { "order.placed": route(target("a")) });
    expect(jobs.map(({ ids, job }) => [job.dedup, ...ids])).toEqual([
      [undefined, "1"],
      ["a:d", "2"],
      [undefined, "3"],
    ]);
    expect(jobs[1]?.job.dedupTtl).toBe(60);
  });

  test("what is kept in order enters lanes, later ones when they are due", () => {
    const routes = {
      "order.placed": route(target("all", "all"), target("key", "key"), target("none")),
    };
    const batch = [
      envelope("1", { orderingKey: "k", priority: 5 }),
      envelope("2", { priority: 5 }),
      envelope("3", { orderingKey: "k", delayMs: 5 }),
    ];
    const { jobs, lanes } = pack(batch, routes);
    expect(lanes.map(({ to, id, key, turn }) => [to, id, key, turn.priority])).toEqual([
      ["all", "1", "all:", 100],
      ["key", "1", "key:k", 100],
      ["all", "2", "all:", 100],
    ]);
    expect(JSON.parse(lanes[1]?.turn.data ?? "")).toEqual({ subscription: "key", key: "key:k" });
    expect(eventsOf(lanes[1]?.turn.id ?? "")).toBe(0);
    expect(jobs.map(({ to, ids, key, job }) => [to, ids, key, job.priority, job.delay])).toEqual([
      ["none", ["1"], undefined, 5, 0],
      ["key", ["2"], undefined, 100, 0],
      ["none", ["2"], undefined, 5, 0],
      ["all", ["3"], "all:", 100, 5],
      ["key", ["3"], "key:k", 100, 5],
      ["none", ["3"], undefined, 100, 5],
    ]);
  });

  test("what nobody wants is not even encoded", () => {
    expect(pack(numbered(3), {})).toEqual({ jobs: [], lanes: [], texts: [] });
  });
});

describe("job ids", () => {
  test("tell the number of events, sort as they were made, and are none that BullMQ refuses", () => {
    const ids = createJobIds();
    const made = Array.from({ length: 100 }, () => ids.next(12));
    expect(made.toSorted()).toEqual(made);
    for (const id of made) {
      expect(eventsOf(id)).toBe(12);
      expect(id).not.toContain(":");
      expect(String(Number.parseInt(id, 10))).not.toBe(id);
    }
    expect(eventsOf(withEvents(made[0] ?? "", 3))).toBe(3);
  });
});
