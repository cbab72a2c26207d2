import { describe, expect, test } from "vitest";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

async function waitingIds({ admin }: TestSession, id: string): Promise<readonly string[]> {
  const page = await admin.listWaiting?.(id, { limit: 1_000 });
  return (page?.items ?? []).map((it) => it.envelope.id);
}

describe("named targets", () => {
  test("get an event alone, under whichever id they are named, and see who else was", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail"),
      subscription("post", { aliases: ["letters"], ordering: "key" }),
      subscription("stock", { events: ["order.*"] }),
    ]);
    const one = envelope("1", { to: ["letters", "stock"], orderingKey: "k" });
    expect(await session.publish(one)).toEqual([{ status: "accepted", subscriptions: 2 }]);
    await session.publish(envelope("2", { to: ["mail"] }), envelope("3"), envelope("4"));
    await session.publish(envelope("5", { to: ["mail", "stock", "post"] }));
    expect(await waitingIds(session, "mail")).toEqual(["2", "3", "4", "5"]);
    expect((await waitingIds(session, "post")).toSorted()).toEqual(["1", "3", "4", "5"]);
    expect(await waitingIds(session, "stock")).toEqual(["1", "3", "4", "5"]);
    const page = await session.admin.listWaiting?.("stock", { limit: 1 });
    expect(page?.items[0]?.envelope).toEqual(one);
  });

  test("that do not get the event have it refused, and it goes to nobody", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail"),
      subscription("other", { events: ["other"] }),
      subscription("gone"),
    ]);
    await session.registry.retire("gone", { backlog: "discard" });
    const unknown = { status: "rejected", code: "unknown-subscription" };
    for (const subscriptionId of ["nobody", "other", "gone"]) {
      const [result] = await session.publish(envelope("1", { to: ["mail", subscriptionId] }));
      expect(result).toMatchObject({ ...unknown, subscriptionId });
    }
    const results = await session.publish(
      envelope("2"),
      envelope("3", { to: ["nobody"] }),
      envelope("4", { name: "nobody.wants", to: ["mail"] }),
      envelope("5", { to: ["mail"] }),
    );
    // A batch is taken as a whole or not. The bus then publishes those of each caller alone.
    expect(results.map(({ status }) => status)).toEqual(results.map(() => "rejected"));
    expect(await waitingIds(session, "mail")).toEqual([]);
  });

  test("are looked up again before an event is refused: another process may have declared them", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"));
    const { prefix } = session.keys;
    const other = await open({ prefix });
    await other.registry.declare([subscription("stock")]);
    const [result] = await session.publish(envelope("2", { to: ["stock"] }));
    expect(result).toEqual({ status: "accepted", subscriptions: 1 });
  });

  test("that are orphaned have the event refused, within a group as a whole", async () => {
    const session = await open({ context: { orphanedAfterMs: 1_000 } });
    const { registry, redis, keys, groups } = session;
    await registry.declare([subscription("mail"), subscription("left")]);
    await redis.zadd(keys.seen, 1, "left");
    const both = envelope("1", { to: ["mail", "left"] });
    const refused = {
      status: "rejected",
      code: "unknown-subscription",
      subscriptionId: "left",
      reason: "no process declares it any more",
    };
    expect(await session.publish(both, envelope("2"))).toEqual([refused, refused]);
    const events = [both, envelope("3")].map((it) => ({ envelope: it }));
    await groups.stage("g", events, { token: "t" });
    await groups.mark("g");
    const claim = await groups.claim({ eventGroupId: "g", leaseMs: 60_000 });
    const results = await groups.complete(claim!, [both, envelope("3")], inTime());
    expect(results).toEqual([refused, refused]);
    expect(await waitingIds(session, "mail")).toEqual([]);
    await registry.declare([subscription("left")]);
    expect(await groups.complete(claim!, [both, envelope("3")], inTime())).toEqual([
      { status: "accepted", subscriptions: 2 },
      { status: "accepted", subscriptions: 2 },
    ]);
    expect(await waitingIds(session, "left")).toEqual(["1", "3"]);
  });
});
