import type { GroupClaim, StagedEvent } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const LEASE_MS = 60_000;

function events(...ids: readonly string[]): readonly StagedEvent[] {
  return ids.map((id) => {
    const [name = "", stepId] = id.split(":");
    const plain = envelope(id, { name: `x.${name}` });
    return { envelope: { ...plain, metadata: { ...plain.metadata, ...(stepId && { stepId }) } } };
  });
}

function complete(session: TestSession, claim: GroupClaim | undefined) {
  if (!claim) throw new Error("There is no claim");
  const envelopes = claim.events.map((it) => it.envelope);
  return session.groups.complete(claim, envelopes, inTime());
}

async function opened(): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  return session;
}

const idsOf = (claim: GroupClaim | undefined) => claim?.events.map((it) => it.envelope.id);
const forever = { ttlMs: undefined };

describe("groups", () => {
  test("of two releases at once one publishes, and each event once", async () => {
    const one = await opened();
    const other = await open({ prefix: one.keys.prefix });
    await one.groups.stage("g", events("1", "2"), forever);
    await Promise.all([one.groups.mark("g"), other.groups.mark("g")]);
    const claims = await Promise.all(
      [one, other, one, other].map((it) =>
        it.groups.claim({ eventGroupId: "g", leaseMs: LEASE_MS }),
      ),
    );
    const held = claims.filter((claim) => claim !== undefined);
    expect(held).toHaveLength(1);
    expect(await complete(one, held[0])).toMatchObject([{ status: "accepted" }, {}]);
    expect(await one.eventIds("mail")).toEqual(["1", "2"]);
    expect(await one.groups.list()).toEqual([]);
    expect(await one.redis.keys(`${one.keys.own}group*`)).toEqual([]);
  });

  test("a process that dies between claim and complete leaves the group to another", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    await session.groups.mark("g");
    const lost = await session.groups.claim({ leaseMs: 30 });
    expect(await session.groups.claim({ leaseMs: LEASE_MS })).toBeUndefined();
    await expect.poll(() => session.groups.claim({ leaseMs: LEASE_MS })).toBeDefined();
    await expect(complete(session, lost)).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    expect(await session.eventIds("mail")).toEqual([]);
    expect(await session.groups.list()).toMatchObject([{ events: 1, marked: true }]);
  });

  test("what joins after a claim waits for the next release, marked or not", async () => {
    const session = await opened();
    const claim = () => session.groups.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
    await session.groups.stage("g", events("1"), forever);
    await session.groups.mark("g");
    const first = await claim();
    await session.groups.stage("g", events("2"), forever);
    await session.groups.mark("g");
    await session.groups.stage("g", events("3"), forever);
    expect(idsOf(first)).toEqual(["1"]);
    await complete(session, first);
    const second = await claim();
    expect(idsOf(second)).toEqual(["2"]);
    await complete(session, second);
    expect(await session.groups.list()).toMatchObject([{ events: 1, marked: false }]);
    expect(await claim()).toBeUndefined();
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
  });

  test("a claim that is given up is free, and an old one gives up nothing", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    await session.groups.mark("g");
    const first = await session.groups.claim({ leaseMs: LEASE_MS });
    await session.groups.abandon(first as GroupClaim);
    const second = await session.groups.claim({ leaseMs: LEASE_MS });
    await session.groups.abandon(first as GroupClaim);
    expect(await session.groups.claim({ leaseMs: LEASE_MS })).toBeUndefined();
    await complete(session, second);
    expect(await session.eventIds("mail")).toEqual(["1"]);
  });

  test("clear takes what matches name and step, and nothing that a claim has", async () => {
    const session = await opened();
    const { groups } = session;
    await groups.stage("g", events("a:s1", "a:s2", "b:s1", "b:s2", "c"), forever);
    expect(await groups.clear("g", { eventNames: ["x.a"], stepIds: ["s1"] })).toBe(1);
    expect(await groups.clear("g", { stepIds: ["s1"] })).toBe(1);
    expect(await groups.clear("g", { eventNames: ["x.c", "x.d"] })).toBe(1);
    expect(await groups.clear("g", { eventNames: [] })).toBe(0);
    await groups.mark("g");
    await groups.stage("g", events("later"), forever);
    const claim = await groups.claim({ leaseMs: LEASE_MS });
    expect(idsOf(claim)).toEqual(["a:s2", "b:s2"]);
    expect(await groups.clear("g", {})).toBe(1);
    await complete(session, claim);
    expect(await session.eventIds("mail")).toEqual(["a:s2", "b:s2"]);
    expect(await groups.clear("g", {})).toBe(0);
  });

  test("what is cleared after a lease has ended is not published by its claim", async () => {
    const session = await opened();
    const { groups } = session;
    await groups.stage("g", events("a", "b"), forever);
    await groups.mark("g");
    const claim = await groups.claim({ leaseMs: 1 });
    await expect.poll(() => groups.clear("g", { eventNames: ["x.a"] })).toBe(1);
    await expect(complete(session, claim)).rejects.toThrow("has ended");
    expect(idsOf(await groups.claim({ leaseMs: LEASE_MS }))).toEqual(["b"]);
  });

  test("what is not marked expires, counted from the last event", async () => {
    const session = await opened();
    const { groups } = session;
    await groups.stage("g", events("1"), { ttlMs: 150 });
    await groups.mark("g");
    await groups.stage("g", events("2"), { ttlMs: 150 });
    await groups.stage("h", events("3"), { ttlMs: 150 });
    await groups.stage("i", events("4"), forever);
    expect(await groups.list()).toHaveLength(3);
    await expect.poll(() => groups.list(), { timeout: 3_000 }).toHaveLength(2);
    const byId = new Map((await groups.list()).map((it) => [it.eventGroupId, it]));
    expect(byId.get("g")).toMatchObject({ events: 1, marked: true });
    expect(byId.get("i")).toMatchObject({ events: 1, marked: false });
  });

  test("brings back delays, and any group id", async () => {
    const session = await opened();
    const { groups } = session;
    const ids = ['"g', "\ud800", "\udc00", "a:b\u0000 ü"];
    for (const id of ids) {
      const [{ envelope }] = events(id) as [StagedEvent];
      await groups.stage(id, [{ envelope: { ...envelope, delayMs: 4_711 } }], forever);
    }
    expect((await groups.list()).map((it) => it.eventGroupId).toSorted()).toEqual(ids.toSorted());
    await groups.mark("\ud800");
    const claim = await groups.claim({ leaseMs: LEASE_MS });
    expect(claim?.eventGroupId).toBe("\ud800");
    expect(claim?.events[0]).toMatchObject({ envelope: { id: "\ud800", delayMs: 4_711 } });
    await complete(session, claim);
    expect(await groups.list()).toHaveLength(3);
  });

  test("goes on when Redis has forgotten its scripts", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    await session.redis.script("FLUSH");
    await session.groups.mark("g");
    await session.redis.script("FLUSH");
    await complete(session, await session.groups.claim({ leaseMs: LEASE_MS }));
    expect(await session.eventIds("mail")).toEqual(["1"]);
  });

  test("an interceptor may drop all events of a group", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    await session.groups.mark("g");
    const claim = await session.groups.claim({ leaseMs: LEASE_MS });
    expect(await session.groups.complete(claim as GroupClaim, [], inTime())).toEqual([]);
    expect(await session.groups.list()).toEqual([]);
  });
});
