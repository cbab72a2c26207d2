import { describe, expect, test } from "vitest";
import type { Envelope, Settlement } from "@busbar/core/provider";
import type { Scripts } from "../src/store/scripts.ts";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

const RETRY: Settlement = { type: "retry", delayMs: 60_000, state: null };

function cancel(
  { admin }: TestSession,
  eventId: string,
  subscriptionId?: string,
): Promise<number> | undefined {
  return admin.cancel?.(eventId, { subscriptionId });
}

async function waitingIds({ admin }: TestSession, id = "mail"): Promise<readonly string[]> {
  const page = await admin.listWaiting?.(id, { limit: 1_000 });
  return (page?.items ?? []).map((it) => it.envelope.id);
}

/** Ends what holds deliveries, one after the other. */
function createGates() {
  const held = new Map<string, (settlement: Settlement) => void>();
  return {
    hold: (id: string) => new Promise<Settlement>((resolve) => held.set(id, resolve)),
    /** Says whether it is held. */
    end(id: string, settlement: Settlement = ACK): boolean {
      held.get(id)?.(settlement);
      return held.has(id);
    },
  };
}

describe("cancel", () => {
  test("takes an event out of packs, of bodies as well, and keeps the others in their places", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    await registry.declare([subscription("mail"), subscription("stock"), subscription("post")]);
    const text = "x".repeat(200);
    const batch = ["1", "2", "3", "4"].map((id) => envelope(id, { data: text.repeat(20) }));
    await session.publish(...batch);
    await session.publish(envelope("5"), envelope("6"));
    expect(await redis.zcard(`${keys.own}bodies`)).toBe(1);
    expect(await cancel(session, "2", "stock")).toBe(1);
    expect(await cancel(session, "2")).toBe(2);
    expect(await cancel(session, "6")).toBe(3);
    expect(await cancel(session, "6")).toBe(0);
    for (const id of ["mail", "stock", "post"]) {
      expect(await waitingIds(session, id)).toEqual(["1", "3", "4", "5"]);
    }
    for (const id of ["1", "3", "4", "5"]) expect(await cancel(session, id)).toBe(3);
    expect(await redis.zcard(`${keys.own}bodies`)).toBe(0);
    const seen = await consume(session, { subscriptionId: "mail" });
    await session.publish(envelope("7"));
    await seen.has(1);
    expect(seen.ids).toEqual(["7"]);
  });

  test("finds an event by its whole id, whatever is in it, under earlier ids of a subscription", async () => {
    const session = await open();
    const { registry } = session;
    await registry.declare([subscription("mail")]);
    const ids = ["1", "11", 'a"b', "a\\b", "\u2028é", "{}[%a-]*"];
    await session.publish(...ids.map((id) => envelope(id, { data: { id: "1" } })));
    await registry.declare([subscription("letters", { aliases: ["mail"] })]);
    for (const id of ids.slice(1)) expect(await cancel(session, id, "mail")).toBe(1);
    expect(await waitingIds(session, "letters")).toEqual(["1"]);
    expect(await cancel(session, "1", "unknown")).toBe(0);
    expect(await cancel(session, "1", "letters")).toBe(1);
  });

  test("leaves what other subscriptions have in a queue that they share", async () => {
    const session = await open({ options: { sharedQueues: { small: ["small-*"] } } });
    await session.registry.declare(["1", "2"].map((id) => subscription(`small-${id}`)));
    await session.publish(envelope("a", { orderingKey: "k" }), envelope("b"));
    expect(await cancel(session, "a", "small-1")).toBe(1);
    expect(await waitingIds(session, "small-1")).toEqual(["b"]);
    expect(await waitingIds(session, "small-2")).toEqual(["a", "b"]);
    expect(await cancel(session, "b")).toBe(2);
  });

  test("lets the next of an ordered key begin, also behind one that waits for its retry", async () => {
    const session = await open();
    const seen = await consume(
      session,
      { subscriptionId: "mail", ordering: "key" },
      ({ envelope: { id } }) => (id === "1" ? RETRY : ACK),
    );
    const ids = ["1", "2", "3"];
    await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
    await eventually(async () => {
      const [stats] = await session.admin.stats();
      expect(stats).toMatchObject({ inFlight: 0, delayed: 3 });
    });
    expect(await cancel(session, "2")).toBe(1);
    expect(await cancel(session, "1")).toBe(1);
    await seen.has(2);
    await session.publish(envelope("4", { orderingKey: "k" }));
    await seen.has(3);
    expect(seen.ids).toEqual(["1", "3", "4"]);
  });

  test.each(["cancel", "drain", "retire"])(
    "%s takes what waits behind a delivery of its ordered key that is at work",
    async (how) => {
      const session = await open();
      const gates = createGates();
      const seen = await consume(
        session,
        { subscriptionId: "mail", ordering: "key" },
        ({ envelope: { id } }) => gates.hold(id),
      );
      const ids = ["1", "2", "3"];
      await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
      await seen.has(1);
      expect(await waitingIds(session)).toEqual(["2", "3"]);
      expect(await cancel(session, "1")).toBe(0);
      expect(await cancel(session, "2")).toBe(1);
      if (how === "cancel") {
        expect(await cancel(session, "3")).toBe(1);
      } else if (how === "drain") {
        expect(await session.admin.drain?.("mail", { backlog: "discard" })).toBe(1);
      } else {
        expect(await session.registry.retire("mail", { backlog: "discard" })).toBe(1);
      }
      gates.end("1");
      await eventually(async () => {
        const stats = (await session.admin.stats()).find((it) => it.subscriptionId === "mail");
        expect(stats?.inFlight ?? 0).toBe(0);
      });
      expect(seen.ids).toEqual(["1"]);
    },
  );

  test("waits for what a slow worker gives back of a pack", async () => {
    const session = await open();
    const gates = createGates();
    const seen = await consume(
      session,
      { subscriptionId: "mail", concurrency: 1 },
      ({ envelope: { id } }) => gates.hold(id),
    );
    await session.publish(envelope("1"), envelope("2"), envelope("3"));
    await seen.has(1);
    expect(await cancel(session, "2")).toBe(1);
    gates.end("1");
    await seen.has(2);
    expect(seen.ids).toEqual(["1", "3"]);
    gates.end("3");
  });

  test.each<readonly [string, Partial<Envelope>]>([
    ["a job", {}],
    ["a delayed job", { delayMs: 60_000 }],
    ["a lane", { orderingKey: "k" }],
    ["a delayed job of a lane", { delayMs: 60_000, orderingKey: "k" }],
  ])("frees the deduplicationId of %s", async (_, changes) => {
    const session = await open();
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const deduplicationId = "d";
    await session.publish(envelope("1", { ...changes, deduplicationId }));
    expect(await cancel(session, "1")).toBe(1);
    const [again] = await session.publish(envelope("2", { deduplicationId }));
    expect(again).toEqual({ status: "accepted", subscriptions: 1 });
  });

  test.each(["cancel", "drain", "retire"])(
    "%s finds a pack that has lost events to another cancel meanwhile",
    async (how) => {
      let another: (() => Promise<unknown>) | undefined;
      const wrapScripts = (scripts: Scripts): Scripts => ({
        ...scripts,
        async retireJob(...args) {
          const first = another;
          another = undefined;
          await first?.();
          return scripts.retireJob(...args);
        },
      });
      const session = await open({ wrapScripts });
      await session.registry.declare([subscription("mail")]);
      await session.publish(...["1", "2", "3", "4"].map((id) => envelope(id)));
      another = async () => {
        expect(await cancel(session, "2")).toBe(1);
        expect(await cancel(session, "3")).toBe(1);
      };
      if (how === "cancel") {
        expect(await cancel(session, "1")).toBe(1);
        expect(await waitingIds(session)).toEqual(["4"]);
      } else if (how === "drain") {
        expect(await session.admin.drain?.("mail", { backlog: "discard" })).toBe(2);
      } else {
        expect(await session.registry.retire("mail", { backlog: "discard" })).toBe(2);
      }
    },
  );

  test("of many events of one pack at the same time takes all of them", async () => {
    const session = await open({ options: { sharedQueues: { small: ["small-*"] } } });
    const names = ["mail", "stock", "small-1", "small-2"];
    await session.registry.declare(names.map((name) => subscription(name)));
    const ids = Array.from({ length: 12 }, (_, index) => `${index}`);
    const text = "x".repeat(4_000);
    await session.publish(...ids.map((id) => envelope(id, { data: { text } })));
    const cancelled = await Promise.all(ids.slice(1).map(async (id) => cancel(session, id)));
    expect(cancelled).toEqual(ids.slice(1).map(() => names.length));
    for (const name of names) expect(await waitingIds(session, name)).toEqual(["0"]);
  });

  test("takes an event of a pack that a worker begins while its queue is looked through", async () => {
    let take: (() => Promise<void>) | undefined;
    const wrapScripts = (scripts: Scripts): Scripts => ({
      ...scripts,
      async findJobs(place, args) {
        const found = await scripts.findJobs(place, args);
        const first = place.endsWith(":active") ? take : undefined;
        if (first) take = undefined;
        await first?.();
        return found;
      },
    });
    const session = await open({ wrapScripts });
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"), envelope("2"), envelope("3"));
    const gates = createGates();
    const mail = { subscriptionId: "mail", concurrency: 1 };
    take = async () => {
      const seen = await consume(session, mail, ({ envelope: { id } }) => gates.hold(id));
      await seen.has(1);
    };
    expect(await cancel(session, "3")).toBe(1);
    gates.end("1");
    await eventually(() => expect(gates.end("2")).toBe(true));
  });

  test("frees the deduplicationId of a delivery that waits for its retry", async () => {
    const session = await open();
    await consume(session, { subscriptionId: "mail" }, () => RETRY);
    const publish = (id: string) => session.publish(envelope(id, { deduplicationId: "d" }));
    const waits = eventually(async () => {
      const [stats] = await session.admin.stats();
      expect(stats).toMatchObject({ inFlight: 0, delayed: 1 });
    });
    await publish("1");
    await waits;
    expect(await cancel(session, "1")).toBe(1);
    expect(await publish("2")).toMatchObject([{ status: "accepted" }]);
  });

  test("leaves a deduplicationId that another event has by now", async () => {
    const session = await open();
    const later = await open({ prefix: session.keys.prefix });
    await session.registry.declare([subscription("mail")]);
    const deduplicationId = "d";
    await session.publish(envelope("1", { deduplicationId }));
    // The window of the first ends.
    await session.redis.del(await session.redis.keys(`${session.keys.own}de:*`));
    const publish = async (id: string) =>
      (await later.publish(envelope(id, { deduplicationId })))[0];
    expect(await publish("2")).toMatchObject({ status: "accepted" });
    expect(await cancel(session, "1")).toBe(1);
    expect(await publish("3")).toMatchObject({ status: "duplicate" });
    expect(await cancel(session, "2")).toBe(1);
    expect(await publish("4")).toMatchObject({ status: "accepted" });
  });

  test.each([
    ["the handovers", { progress: '{"handovers":3,"trusted":0}' }],
    ["a stop", { stc: "1" }],
  ])(
    "does not charge the next of an ordered key with %s of one that was taken out",
    async (_, fields) => {
      const session = await open();
      const inOrder = { ordering: "key", events: ["a", "b"] } as const;
      await session.registry.declare([subscription("mail", inOrder)]);
      const names = ["a", "a", "b"];
      await session.publish(
        ...names.map((name, index) => envelope(`${index}`, { name, orderingKey: "k" })),
      );
      const crash = async (): Promise<void> => {
        const [turn] = await session.waiting("mail");
        await session.redis.hset(`${session.keys.queue("mail")}${turn?.id}`, fields);
      };
      await crash();
      expect(await cancel(session, "0")).toBe(1);
      const [turn] = await session.waiting("mail");
      const key = `${session.keys.queue("mail")}${turn?.id}`;
      expect(await session.redis.hmget(key, "progress", "stc")).toEqual([null, null]);
      await crash();
      expect(await session.registry.retire("mail", { events: ["a"], backlog: "discard" })).toBe(1);
      const seen = await consume(session, { subscriptionId: "mail", ...inOrder, events: ["b"] });
      await seen.has(1);
      expect(seen.deliveries).toMatchObject([{ envelope: { id: "2" }, crashes: 0 }]);
      expect(seen.deliveries[0]).not.toHaveProperty("suspect");
    },
  );

  test("finds the head of a long lane while others are added behind it, and taken out", async () => {
    let change: (() => Promise<unknown>) | undefined;
    const wrapScripts = (scripts: Scripts): Scripts => ({
      ...scripts,
      async findInLane(lane, args) {
        const found = await scripts.findInLane(lane, args);
        const first = change;
        change = undefined;
        await first?.();
        return found;
      },
    });
    const session = await open({ wrapScripts });
    await session.registry.declare([subscription("mail", { ordering: "all" })]);
    await session.publish(...Array.from({ length: 750 }, (_, index) => envelope(`${index}`)));
    const lanes = await session.redis.keys(`${session.keys.own}lane:*`);
    change = () => session.publish(...Array.from({ length: 5 }, (_, at) => envelope(`late-${at}`)));
    expect(await cancel(session, "0")).toBe(1);
    change = () => session.redis.rpop(lanes[0] as string, 100);
    expect(await cancel(session, "248")).toBe(1);
  });

  test("looks at no more than 1 000 deliveries of many lanes in one step", async () => {
    const looks: number[] = [];
    const wrapScripts = (scripts: Scripts): Scripts => ({
      ...scripts,
      async findInLanes(...args) {
        const answer = await scripts.findInLanes(...args);
        looks.push(answer[2].length);
        return answer;
      },
    });
    const session = await open({ wrapScripts });
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    for (let key = 0; key < 5; key += 1) {
      const ids = [...Array.from({ length: 299 }, (_, index) => `${key}-${index}`), "same"];
      await session.publish(...ids.map((id) => envelope(id, { orderingKey: `k${key}` })));
    }
    expect(await cancel(session, "same")).toBe(5);
    expect(looks).toEqual([2]);
  });

  test("looks through many jobs and long lanes in steps, while workers take from them", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail"),
      subscription("inorder", { ordering: "all", events: ["ordered"] }),
    ]);
    const count = 1_200;
    const all = Array.from({ length: count }, (_, index) =>
      envelope(`${index}`, { priority: 1 + (index % 2), delayMs: index % 3 === 0 ? 60_000 : 0 }),
    );
    await session.publish(...all);
    const named = all.map((it) => ({ ...it, id: `o-${it.id}`, name: "ordered", delayMs: 0 }));
    await session.publish(...named);
    for (const index of [0, 1, 2, 599, 600, 1_198, 1_199]) {
      expect(await cancel(session, `${index}`)).toBe(1);
      expect(await cancel(session, `o-${index}`)).toBe(2);
    }
    const seen = await consume(session, {
      subscriptionId: "inorder",
      ordering: "all",
      events: ["ordered"],
    });
    await seen.has(count - 7);
    expect(seen.ids).not.toContain("o-599");
    expect(seen.ids).toEqual(seen.ids.toSorted((a, b) => Number(a.slice(2)) - Number(b.slice(2))));
  });
});
