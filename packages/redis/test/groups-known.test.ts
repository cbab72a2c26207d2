import type { StagedEvent } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import type { Scripts } from "../src/store/scripts.ts";
import { createGroups } from "../src/groups/groups.ts";
import { createPublisher } from "../src/publish/publisher.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const LEASE_MS = 60_000;
const forever = { ttlMs: undefined };

function events(...ids: readonly string[]): readonly StagedEvent[] {
  return ids.map((id) => ({ envelope: envelope(id) }));
}

async function opened(): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  return session;
}

/** Releases what the process remembers of a group, as a bus does first. */
async function releaseKnown({ groups }: Pick<TestSession, "groups">, id: string) {
  const known = groups.known?.take(id);
  if (!known) return "unknown";
  const envelopes = known.map((it) => it.envelope);
  return (await groups.known?.release(id, known, envelopes, inTime())) ?? "refused";
}

/** Marks, claims and completes a group, as a bus does otherwise. */
async function releaseClaimed({ groups }: Pick<TestSession, "groups">, id: string) {
  await groups.mark(id);
  const claim = await groups.claim({ eventGroupId: id, leaseMs: LEASE_MS });
  if (!claim) throw new Error("There is no claim");
  const envelopes = claim.events.map((it) => it.envelope);
  return groups.complete(claim, envelopes, inTime());
}

/** Groups over scripts of which each call is counted. */
function counted(session: TestSession): Pick<TestSession, "groups"> & { calls: () => number } {
  let calls = 0;
  const scripts = Object.fromEntries(
    Object.entries(session.scripts).map(([name, script]) => [
      name,
      (...args: readonly unknown[]) => {
        // Drafts leave in the same write as the publish.
        if (name !== "draft") calls += 1;
        return (script as (...all: readonly unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as Scripts;
  const parts = { ...session, scripts };
  return { groups: createGroups(parts, createPublisher(parts)), calls: () => calls };
}

describe("a group that one process has staged", () => {
  test("is published and deleted in one step, without a question", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    await groups.stage("g", events("1", "2"), forever);
    await groups.stage("g", events("3"), forever);
    const before = calls();
    expect(await releaseKnown({ groups }, "g")).toMatchObject([{ status: "accepted" }, {}, {}]);
    expect(calls() - before).toBe(1);
    expect(await session.eventIds("mail")).toEqual(["1", "2", "3"]);
    expect(await session.redis.keys(`${session.keys.own}group*`)).toEqual([]);
  });

  test("is released once, however often that is asked for", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    const answers = [await releaseKnown(session, "g"), await releaseKnown(session, "g")];
    expect(answers).toMatchObject([[{ status: "accepted" }], "unknown"]);
    expect(await session.eventIds("mail")).toEqual(["1"]);
  });

  test("may be marked already", async () => {
    const session = await opened();
    await session.groups.stage("g", events("1"), forever);
    await session.groups.mark("g");
    expect(await releaseKnown(session, "g")).toMatchObject([{ status: "accepted" }]);
    expect(await session.groups.claim({ leaseMs: LEASE_MS })).toBeUndefined();
  });

  const changes: Record<string, (other: TestSession, session: TestSession) => Promise<unknown>> = {
    "another has staged into": ({ groups }) => groups.stage("g", events("x"), forever),
    "another has claimed": async ({ groups }) => {
      await groups.mark("g");
      return groups.claim({ leaseMs: LEASE_MS });
    },
    "another has cleared": ({ groups }) => groups.clear("g", {}),
    "another has cleared and filled again": async ({ groups }) => {
      await groups.clear("g", {});
      return groups.stage("g", events("x", "y"), forever);
    },
    "has lost one event and got another": async ({ groups }, session) => {
      await groups.clear("g", { eventNames: ["order.placed"], stepIds: ["s"] });
      return session.redis.rpush(`${session.keys.own}group:g`, "null\nnull\n{}");
    },
    "has expired": ({ groups }) => expect.poll(() => groups.list(), { timeout: 3_000 }).toEqual([]),
  };
  test.each(Object.entries(changes))("and that %s is left alone", async (what, change) => {
    const session = await opened();
    const other = await open({ prefix: session.keys.prefix });
    const ttlMs = what === "has expired" ? 30 : undefined;
    const metadata = { ...envelope("2").metadata, stepId: "s" };
    const second = { envelope: envelope("2", { metadata }) };
    await session.groups.stage("g", [...events("1"), second], { ttlMs });
    await change(other, session);
    expect(await releaseKnown(session, "g")).toBe("refused");
    expect(await session.eventIds("mail")).toEqual([]);
  });

  test("is not known while more of it is on its way", async () => {
    const session = await opened();
    const staging = session.groups.stage("g", events("1"), forever);
    expect(session.groups.known?.take("g")).toBeUndefined();
    await staging;
    expect(await releaseKnown(session, "g")).toBe("unknown");
    expect(await releaseClaimed(session, "g")).toMatchObject([{ status: "accepted" }]);
  });
});

describe("events that are released without having been staged", () => {
  /** Releases a group with events that are not staged. */
  async function releaseWith(
    { groups }: Pick<TestSession, "groups">,
    id: string,
    unstaged: string,
    further: readonly StagedEvent[],
  ) {
    const known = groups.known?.take(id) ?? [];
    const envelopes = [...known, ...further].map((it) => it.envelope);
    const options = { ...inTime(), unstaged };
    return (await groups.known?.release(id, known, envelopes, options)) ?? "refused";
  }

  test("are published in one step, behind those that were", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    await groups.stage("g", events("1"), forever);
    const before = calls();
    expect(await releaseWith({ groups }, "g", "t", events("2", "3"))).toHaveLength(3);
    expect(await releaseWith({ groups }, "none", "u", events("4"))).toHaveLength(1);
    expect(calls() - before).toBe(2);
    expect(await session.eventIds("mail")).toEqual(["1", "2", "3", "4"]);
    expect(await session.redis.keys(`${session.keys.own}group*`)).toEqual([]);
  });

  test("are not staged after it", async () => {
    const session = await opened();
    await releaseWith(session, "g", "t", events("1"));
    await session.groups.stage("g", events("1"), { token: "t" });
    expect(await session.groups.list()).toEqual([]);
    expect(await releaseKnown(session, "g")).toBe("refused");
    expect(await session.eventIds("mail")).toEqual(["1"]);
  });

  test("are not published again once they are staged", async () => {
    const session = await opened();
    const other = await open({ prefix: session.keys.prefix });
    await session.groups.stage("g", events("1"), { token: "t" });
    expect(await releaseWith(other, "g", "t", events("1"))).toBe("refused");
    await releaseClaimed(session, "g");
    expect(await releaseWith(other, "g", "t", events("1"))).toBe("refused");
    expect(await session.eventIds("mail")).toEqual(["1"]);
  });

  test("are left alone if another has filled the group", async () => {
    const session = await opened();
    const other = await open({ prefix: session.keys.prefix });
    await other.groups.stage("g", events("x"), forever);
    expect(await releaseWith(session, "g", "t", events("1"))).toBe("refused");
    await session.groups.stage("g", events("1"), { token: "t" });
    await releaseClaimed(session, "g");
    expect(await session.eventIds("mail")).toEqual(["x", "1"]);
  });
});

describe("releases that wait for each other", () => {
  const ids = Array.from({ length: 100 }, (_, index) => `g${index}`);

  test("leave together, each with its own results", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    for (const id of ids) await groups.stage(id, events(`${id}a`, `${id}b`), forever);
    const before = calls();
    const results = await Promise.all(ids.map((id) => releaseKnown({ groups }, id)));
    expect(calls() - before).toBeLessThanOrEqual(2);
    const accepted = { status: "accepted", subscriptions: 1 };
    expect(results).toEqual(ids.map(() => [accepted, accepted]));
    expect(await session.eventIds("mail")).toEqual(ids.flatMap((id) => [`${id}a`, `${id}b`]));
  });

  test("leave together with those that begin when the ones before have ended", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    const rounds = [0, 1, 2].map((round) => ids.map((id) => `${id}-${round}`));
    for (const id of rounds.flat()) await groups.stage(id, events(id), forever);
    const before = calls();
    await Promise.all(
      ids.map(async (_, index) => {
        for (const round of rounds) {
          await releaseKnown({ groups }, round[index] as string);
          // An answer comes to a caller by way of the bus, and of the caller's own functions.
          for (let steps = index; steps > 0; steps -= 1) await Promise.resolve();
        }
      }),
    );
    expect(calls() - before).toBe(rounds.length);
  });

  test("leave together when they are claimed", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    for (const id of ids) await groups.stage(id, events(id), forever);
    const before = calls();
    await Promise.all(ids.map((id) => releaseClaimed({ groups }, id)));
    // To mark and to claim one is a call, for all of them at the same time.
    expect(calls() - before - 2 * ids.length).toBeLessThanOrEqual(5);
    expect((await session.eventIds("mail")).toSorted()).toEqual(ids.toSorted());
  });

  test("do not fail with one that may not be released", async () => {
    const session = await opened();
    const other = await open({ prefix: session.keys.prefix });
    for (const id of ids) await session.groups.stage(id, events(id), forever);
    for (const id of ["g3", "g70"]) await other.groups.stage(id, events("x"), forever);
    const results = await Promise.all(ids.map((id) => releaseKnown(session, id)));
    expect(ids.filter((_, index) => results[index] === "refused")).toEqual(["g3", "g70"]);
    const left = ids.filter((id) => id !== "g3" && id !== "g70");
    expect(await session.eventIds("mail")).toEqual(left);
    for (const id of ["g3", "g70"]) await releaseClaimed(session, id);
    expect(await session.eventIds("mail")).toHaveLength(102);
  });

  test("do not fail with one that Redis refuses for good", async () => {
    const session = await opened();
    for (const id of ids) await session.groups.stage(id, events(id), forever);
    await session.redis.del(`${session.keys.own}group-meta:g40`);
    await session.redis.set(`${session.keys.own}group-meta:g40`, "x");
    const results = await Promise.all(ids.map((id) => releaseKnown(session, id)));
    const refused = ids.filter((_, index) => JSON.stringify(results[index]).includes("rejected"));
    expect(refused).toEqual(["g40"]);
    expect(await session.eventIds("mail")).toHaveLength(99);
  });

  test("leave in parts if they are many", async () => {
    const session = await opened();
    const { groups, calls } = counted(session);
    const many = Array.from({ length: 400 }, (_, index) => String(index));
    for (const id of ["a", "b", "c", "d"]) {
      await groups.stage(id, events(...many.map((it) => `${id}${it}`)), forever);
    }
    const before = calls();
    await Promise.all(["a", "b", "c", "d"].map((id) => releaseKnown({ groups }, id)));
    expect(calls() - before).toBe(2);
    expect(await session.eventIds("mail")).toHaveLength(1_600);
  });
});
