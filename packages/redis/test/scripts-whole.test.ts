import type { Delivery, Settlement } from "@busbar/core/provider";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { createBoard } from "../src/admin/board.ts";
import { createRates } from "../src/rates/rates.ts";
import { createSchedules } from "../src/schedules/schedules.ts";
import type { Scripts } from "../src/store/scripts.ts";
import { eventually } from "./support/eventually.ts";
import {
  callScript,
  changedKeys,
  keepSnapshot,
  keysTouched,
  readContents,
  type RecordedCall,
  recordScripts,
  restoreSnapshot,
} from "./support/recorded-scripts.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

/** At most so many calls of each script, on different states. */
const CALLS = 2;

const HALF_A_PAIR = String.raw`{"reason":"\ud83d","queue":5,"events":["\ud83d"],"settled":[[1]]}`;

/** What somebody may make of a key by hand. Undefined where it does not apply. */
const DAMAGES = {
  "is of another kind": async (redis: Redis, key: string, kind: string) => {
    await redis.del(key);
    await (kind === "list" ? redis.set(key, "x") : redis.rpush(key, "x"));
  },
  "holds no JSON": (redis: Redis, key: string, kind: string) => fill(redis, key, kind, "{?"),
  "holds half a surrogate pair": (redis: Redis, key: string, kind: string) =>
    fill(redis, key, kind, HALF_A_PAIR),
  "is empty": (redis: Redis, key: string, kind: string) => fill(redis, key, kind, ""),
  "is gone": (redis: Redis, key: string) => redis.del(key),
} as const;

async function fill(redis: Redis, key: string, kind: string, text: string): Promise<unknown> {
  switch (kind) {
    case "string":
      return redis.set(key, text);
    case "hash": {
      const fields = await redis.hkeys(key);
      return redis.hset(key, Object.fromEntries(fields.map((field) => [field, text])));
    }
    case "list": {
      const length = await redis.llen(key);
      for (let index = 0; index < length; index += 1) await redis.lset(key, index, text);
      return undefined;
    }
    case "zset": {
      const [, score = "0"] = await redis.zrange(key, "0", "0", "WITHSCORES");
      await redis.del(key);
      return redis.zadd(key, score, text);
    }
    default:
      return undefined;
  }
}

const IN_ORDER = { ordering: "key", onOrderedFailure: "block" } as const;

/** What becomes of an event, by its id and how often it came. */
function decide({ envelope: { id } }: Delivery, nth: number): Settlement {
  if (id.startsWith("dead")) return { type: "dead", reason: "no", state: { runs: 1, errors: [] } };
  if (id.startsWith("again") && nth < 2) return { type: "retry", delayMs: 1, state: null };
  if (id.startsWith("later") && nth < 2) return { type: "release" };
  return { type: "ack" };
}

/** A session that has called every script on keys that held something, and the calls. */
async function recordEveryScript(): Promise<{
  readonly session: TestSession;
  readonly calls: readonly RecordedCall[];
}> {
  const prefix = `{${crypto.randomUUID()}}`;
  const record: RecordedCall[] = [];
  let scripts: Scripts | undefined;
  const session = await open({
    prefix,
    options: { sharedQueues: { small: ["small*"] } },
    context: { deadLetters: { maxPerSubscription: 3, maxAgeMs: 60_000 } },
    wrapScripts: (plain, redis) => (scripts = recordScripts(plain, redis, prefix, record)),
  });
  const { registry, admin, groups, keys, redis } = session;
  await registry.declare([
    subscription("mail", { events: ["order.*", "large"] }),
    subscription("copy", { events: ["large"] }),
    subscription("former", { events: ["never"] }),
    subscription("inorder", { ...IN_ORDER, events: ["order.*"] }),
    subscription("small-1", { events: ["order.*"] }),
    subscription("alone", { events: ["alone"] }),
  ]);
  const deduplicationId = "d";
  const text = "x".repeat(3_000);
  const sent = [
    envelope("plain"),
    envelope("once", { deduplicationId, orderingKey: "k" }),
    envelope("dead-1", { orderingKey: "k" }),
    envelope("dead-2", { orderingKey: "l" }),
    envelope("again", { orderingKey: "m" }),
    envelope("later", { orderingKey: "n", delayMs: 50 }),
    envelope("behind", { orderingKey: "k" }),
  ];
  await session.publish(...sent);
  await session.publish(envelope("large", { name: "large", data: text }));
  for (const id of ["alone-1", "alone-2"]) await session.publish(envelope(id, { name: "alone" }));
  await session.publish(...sent.map((it) => ({ ...it, id: `${it.id}-b` })));

  const events = sent.map((it) => ({ envelope: it }) as never);
  await groups.stage("g", events, { ttlMs: 60_000 });
  await groups.stage("h", events, { ttlMs: 1 });
  await groups.mark("g");
  await groups.list();
  const claim = await groups.claim({ eventGroupId: "g", leaseMs: 60_000 });
  await groups.abandon(claim!);
  const again = await groups.claim({ leaseMs: 60_000 });
  await groups.stage("g", events, {});
  await groups.complete(again!, sent, { deadline: Date.now() + 5_000, inHandler: false });
  await groups.clear("g", { eventNames: ["order.placed"] });

  const consumers = await Promise.all(
    ["mail", "inorder", "small-1"].map((subscriptionId) =>
      consume(
        session,
        { subscriptionId, ...(subscriptionId === "inorder" ? IN_ORDER : {}) },
        decide,
      ),
    ),
  );
  await eventually(async () => {
    const stats = await admin.stats();
    expect(stats.map(({ inFlight }) => inFlight)).toEqual(stats.map(() => 0));
    expect(stats.find(({ subscriptionId }) => subscriptionId === "inorder")?.dead).toBe(2);
    expect(stats.find(({ subscriptionId }) => subscriptionId === "mail")).toMatchObject({
      ready: 0,
      delayed: 0,
    });
  });
  await Promise.all(consumers.map((consumer) => consumer.close()));

  for (const id of ["mail", "inorder"]) {
    const { items } = await admin.listDead(id, { limit: 10 });
    const ids = items.map((dead) => dead.id);
    await admin.replayDead(id, ids.slice(0, 1));
    await admin.discardDead(id, ids.slice(1));
  }
  // What only a process that dies, or loses an answer, leaves.
  const mail = keys.queue("mail");
  const [, taken] = await scripts!.take(`${mail}meta`, [
    mail,
    "token",
    "me",
    60_000,
    1,
    Date.now(),
  ]);
  const [, id] = taken[0] as readonly [unknown, string];
  await scripts!.renew(`${mail}stalled`, [mail, "token", 60_000, id, "other"]);
  await scripts!.reclaim(`${mail}active`, [mail, "token", 60_000, "other"]);
  await scripts!.giveBack(`${mail}${id}`, [mail, id, "token", Date.now(), 0]);
  await scripts!.take(`${mail}meta`, [mail, "token", "me", 60_000, 1, Date.now()]);
  for (let check = 0; check < 2; check += 1) {
    await redis.del(`${mail}${id}:lock`, `${mail}stalled-check`);
    await scripts!.findStalled(`${mail}stalled`, [mail, Date.now(), 1, keys.own, mail]);
  }
  await redis.del(`${keys.own}revived:${keys.queue("inorder")}`);
  await registry.declare([subscription("inorder", IN_ORDER)]);
  await registry.declare([subscription("post", { aliases: ["mail"] })]);

  // Releases that give a subscription another queue, and retire it.
  const next = await open({
    prefix,
    options: { sharedQueues: { other: ["former"] } },
    wrapScripts: () => scripts!,
  });
  await next.registry.declare([subscription("former", { events: ["never"] })]);
  await next.registry.declare([subscription("former", { events: ["never"] })]);
  await session.publish(...sent.map((it) => ({ ...it, id: `${it.id}-c` })));
  await admin.listWaiting?.("inorder", { limit: 100 });
  for (const id of ["plain", "once", "behind", "later"]) await admin.cancel?.(`${id}-c`, {});
  const lane = `${keys.own}lane:${keys.queue("inorder")}inorder:l`;
  await scripts!.findInLane(lane, [0, 10, "dead-2-c"]);
  await next.registry.retire("former", { backlog: "discard" });
  await next.registry.retire("inorder", { backlog: "dead-letter" });
  await next.registry.retire("post", { backlog: "dead-letter" });
  await admin.stats();

  const rates = createRates(session);
  const limit = { max: 2, perMs: 60_000, count: 1, horizonMs: 60_000 };
  for (let start = 0; start < 4; start += 1) await rates.reserve("mail", limit);
  const schedules = createSchedules(session, session.publisher);
  await registry.declare([subscription("mail", { events: ["order.*"] })]);
  for (const scheduleId of ["s", "t"]) {
    await schedules.write({ id: scheduleId, record: {}, dueAt: 1 }, undefined);
  }
  const due = await schedules.due(10);
  const [first] = due.schedules;
  await schedules.fire({ ...first!, dueAt: 2 }, first!.version, sent.slice(0, 1), inTime());
  await schedules.due(10);
  await schedules.remove("t");

  const board = createBoard(session);
  await board.post("one", { host: "a" }, { ttlMs: 60_000 });
  await board.watch({ ttlMs: 60_000 });
  await board.show([{ n: 1 }], { keep: 10 });
  await board.show([{ n: 2 }], { keep: 10 });
  await board.read("0", { limit: 10 });
  await board.list();
  await board.remove("one");
  return { session, calls: record };
}

/** Some of the calls of each script, as far apart as can be. */
function someOfEach(
  calls: readonly RecordedCall[],
): ReadonlyMap<keyof Scripts, readonly RecordedCall[]> {
  const names = new Set(calls.map(({ script }) => script));
  return new Map(
    [...names].map((name) => {
      const of = calls.filter(({ script }) => script === name);
      const step = Math.max(Math.floor(of.length / CALLS), 1);
      return [name, of.filter((_, index) => index % step === 0).slice(0, CALLS)];
    }),
  );
}

/** What a publish that was taken back leaves: numbers, and what was said of it to dashboards. */
function mayChange(script: string, key: string): boolean {
  return (
    (script === "publish" || script === "complete") && /:(id|pc|events|marker|meta)$/.test(key)
  );
}

/**
 * What only BullMQ's own functions look at, between writes of theirs. What these leave is a job among the
 * active ones, without a lock: it is found as stalled, and comes again.
 */
function isBullMqs(script: string, key: string): boolean {
  return ["take", "complete", "settle", "turn", "late"].includes(script) && !key.startsWith("~:");
}

describe("a script", () => {
  test("writes all or nothing, whatever its keys hold", async () => {
    const { session, calls } = await recordEveryScript();
    const { redis, keys, scripts } = session;
    const { prefix } = keys;
    const chosen = someOfEach(calls);
    expect([...chosen.keys()].toSorted()).toEqual(Object.keys(scripts).toSorted());
    const plain = await open({ prefix });
    const torn: string[] = [];
    for (const [script, of] of chosen) {
      for (const { args, before } of of) {
        const place = await keepSnapshot(redis, before);
        await restoreSnapshot(redis, prefix, place);
        // Damage to the other keys changes nothing: the script does not come to them.
        const touched = await keysTouched(redis, before.keys(), () =>
          callScript(plain.scripts, script, args),
        );
        for (const key of touched) {
          const name = key.slice(prefix.length + 1);
          for (const [damage, inflict] of Object.entries(DAMAGES)) {
            const damageKey = async (): Promise<void> => {
              await restoreSnapshot(redis, prefix, place);
              await inflict(redis, key, await redis.type(key));
            };
            await damageKey();
            const message = await callScript(plain.scripts, script, args).then(
              () => undefined,
              (error: Error) => error.message,
            );
            if (message === undefined) continue;
            const left = await readContents(redis, prefix);
            await damageKey();
            const changed = changedKeys(await readContents(redis, prefix), left)
              .map((it) => it.slice(prefix.length + 1))
              .filter((it) => !mayChange(script, it));
            if (changed.length === 0 || isBullMqs(script, name)) continue;
            torn.push(`${script}: ${name} ${damage}: ${message} (${changed.join(" ")})`);
          }
        }
      }
    }
    expect(torn).toEqual([]);
  }, 300_000);
});
