import { describe, expect, test } from "vitest";
import type { Envelope, PublishResult, StagedEvent } from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { envelope } from "../memory/harness.ts";

const GROUP = "run-1";
const LEASE = { leaseMs: 1_000 };
const options = { deadline: 1, inHandler: false };

function setUp(publish?: (envelopes: readonly Envelope[]) => Promise<readonly PublishResult[]>) {
  const clock = createManualClock();
  const published: string[] = [];
  const expired: [string, number][] = [];
  const staging = new MemoryGroupStaging({
    clock,
    publish: async (envelopes) => {
      published.push(...envelopes.map((it) => it.id));
      return (
        publish?.(envelopes) ?? envelopes.map(() => ({ status: "accepted", subscriptions: 1 }))
      );
    },
    onExpired: (eventGroupId, count) => void expired.push([eventGroupId, count]),
  });
  const stage = (ids: readonly string[], members: Partial<Envelope> = {}, ttlMs?: number) =>
    staging.stage(
      GROUP,
      ids.map((id): StagedEvent => ({ envelope: envelope(id, members) })),
      { ttlMs },
    );
  const claim = () => staging.claim({ eventGroupId: GROUP, ...LEASE });
  const release = async () => {
    await staging.mark(GROUP);
    const claimed = await claim();
    if (!claimed) return undefined;
    return staging.complete(
      claimed,
      claimed.events.map((it) => it.envelope),
      options,
    );
  };
  return { clock, staging, stage, claim, release, published, expired };
}

describe("MemoryGroupStaging", () => {
  test("publishes a group's events in order, once", async () => {
    const { staging, stage, release, published } = setUp();
    await stage(["1", "2"]);
    await stage(["3"]);
    expect((await release())?.length).toBe(3);
    expect(await release()).toBeUndefined();
    expect(published).toEqual(["1", "2", "3"]);
    expect(await staging.list()).toEqual([]);
  });

  test("claims nothing that is not marked, and nothing that is claimed", async () => {
    const { clock, staging, stage, claim } = setUp();
    await stage(["1"]);
    expect(await claim()).toBeUndefined();
    await staging.mark(GROUP);
    const first = await claim();
    expect(first?.events.map((it) => it.envelope.id)).toEqual(["1"]);
    expect(await claim()).toBeUndefined();
    await clock.advance(1_000);
    expect((await claim())?.events.length).toBe(1);
    await expect(staging.complete(first!, [], options)).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
    });
  });

  test("claims nothing that is being published, though the lease has ended", async () => {
    let published!: (results: readonly PublishResult[]) => void;
    const publishing = new Promise<readonly PublishResult[]>((resolve) => {
      published = resolve;
    });
    const { clock, staging, stage, claim } = setUp(() => publishing);
    await stage(["1"]);
    await staging.mark(GROUP);
    const claimed = await claim();
    const completed = staging.complete(claimed!, [envelope("1")], options);
    await clock.advance(5_000);
    expect(await claim()).toBeUndefined();
    expect(await staging.clear(GROUP, {})).toBe(0);
    published([{ status: "accepted", subscriptions: 1 }]);
    await completed;
    expect(await staging.list()).toEqual([]);
  });

  test("an abandoned claim is free at once", async () => {
    const { staging, stage, claim } = setUp();
    await stage(["1"]);
    await staging.mark(GROUP);
    await staging.abandon((await claim())!);
    expect(await claim()).toBeDefined();
  });

  test("finds any marked group when none is named", async () => {
    const { staging } = setUp();
    for (const id of ["a", "b"]) await staging.stage(id, [{ envelope: envelope(id) }], {});
    await staging.mark("b");
    expect(await staging.claim(LEASE)).toMatchObject({ eventGroupId: "b" });
    expect(await staging.claim(LEASE)).toBeUndefined();
  });

  test("events that join after the mark wait for the next release", async () => {
    const { staging, stage, claim, release, published } = setUp();
    await stage(["1"]);
    await staging.mark(GROUP);
    await stage(["2"]);
    const claimed = await claim();
    await stage(["3"]);
    await staging.complete(claimed!, [envelope("1")], options);
    expect(published).toEqual(["1"]);
    expect(await staging.list()).toMatchObject([{ events: 2, marked: false }]);
    await release();
    expect(published).toEqual(["1", "2", "3"]);
  });

  test("rejected events stay staged and marked; accepted ones, duplicates and dropped ones go", async () => {
    const statuses: PublishResult[] = [
      { status: "accepted", subscriptions: 1 },
      { status: "rejected", code: "overloaded", reason: "full" },
      { status: "duplicate", subscriptions: 1 },
    ];
    const { staging, stage, claim } = setUp(async () => statuses);
    await stage(["1", "dropped", "2", "3"]);
    await staging.mark(GROUP);
    const claimed = await claim();
    const kept = claimed!.events.map((it) => it.envelope).filter((it) => it.id !== "dropped");
    expect(await staging.complete(claimed!, kept, options)).toEqual(statuses);
    expect(await staging.list()).toMatchObject([{ events: 1, marked: true }]);
    expect((await claim())?.events.map((it) => it.envelope.id)).toEqual(["2"]);
  });

  test("of two events with one id, the one that was rejected stays", async () => {
    const { staging, stage, claim } = setUp(async () => [
      { status: "accepted", subscriptions: 1 },
      { status: "rejected", code: "refused", reason: "no" },
    ]);
    await stage(["1"], { data: "first" });
    await stage(["1"], { data: "second" });
    await staging.mark(GROUP);
    const claimed = await claim();
    await staging.complete(
      claimed!,
      claimed!.events.map((it) => it.envelope),
      options,
    );
    expect((await claim())?.events.map((it) => it.envelope.data)).toEqual(["second"]);
  });

  test("keeps everything when publishing throws", async () => {
    const { staging, stage, claim } = setUp(async () => {
      throw new Error("down");
    });
    await stage(["1"]);
    await staging.mark(GROUP);
    const claimed = await claim();
    await expect(staging.complete(claimed!, [envelope("1")], options)).rejects.toThrow("down");
    await staging.abandon(claimed!);
    expect((await claim())?.events.length).toBe(1);
  });

  test("clears all, or what matches both names and steps", async () => {
    const { staging, stage } = setUp();
    const of = (name: string, stepId: string) => ({
      name,
      metadata: { ...envelope("x").metadata, stepId },
    });
    await stage(["1"], of("a", "s1"));
    await stage(["2"], of("b", "s1"));
    await stage(["3"], of("a", "s2"));
    await stage(["4"], { name: "a" });
    expect(await staging.clear(GROUP, { eventNames: ["a"], stepIds: ["s1", "s3"] })).toBe(1);
    expect(await staging.clear(GROUP, { stepIds: ["s1"] })).toBe(1);
    expect(await staging.clear(GROUP, { eventNames: ["a"] })).toBe(2);
    expect(await staging.clear("unknown", {})).toBe(0);
    await stage(["5", "6"]);
    expect(await staging.clear(GROUP, {})).toBe(2);
    expect(await staging.list()).toEqual([]);
  });

  test("a group without a TTL never expires", async () => {
    const { clock, staging, stage } = setUp();
    await stage(["1"]);
    await clock.advance(400 * 86_400_000);
    expect(await staging.list()).toMatchObject([{ events: 1 }]);
  });

  test("a group with a TTL expires after its last event, and is reported", async () => {
    const { clock, staging, stage, expired } = setUp();
    await stage(["1"], {}, 1_000);
    await clock.advance(600);
    await stage(["2"], {}, 1_000);
    await clock.advance(999);
    expect(await staging.list()).toMatchObject([{ events: 2 }]);
    await clock.advance(1);
    expect(expired).toEqual([[GROUP, 2]]);
    expect(await staging.list()).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("what is marked does not expire", async () => {
    const { clock, staging, stage, claim, expired } = setUp();
    await stage(["1"], {}, 1_000);
    await staging.mark(GROUP);
    await clock.advance(10_000);
    expect(expired).toEqual([]);
    expect((await claim())?.events.length).toBe(1);
  });

  test("close leaves no timer", async () => {
    const { clock, staging, stage } = setUp();
    await stage(["1"], {}, 1_000);
    staging.close();
    expect(clock.pendingTimers()).toBe(0);
  });
});
