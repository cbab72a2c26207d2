import assert from "node:assert/strict";
import { type EventBus, PermanentError, type SubscriberContext } from "@busbar/core";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { all, can, durable } from "../requirements.ts";
import { pause } from "../waiting.ts";

const SKEW = "guarantee: two releases can run side by side and neither loses the other's events";
const EVENTS = 2_000;

/** A bus with the subscriptions of one release, each with what it has handled. */
async function release<Ids extends string>(
  context: CaseContext,
  ids: readonly Ids[],
  options: { readonly role?: "server" } = {},
): Promise<{ readonly bus: EventBus; readonly seen: Readonly<Record<Ids, RunRecorder>> }> {
  const bus = await context.bus(options);
  const seen = {} as Record<Ids, RunRecorder>;
  for (const id of ids) {
    seen[id] = new RunRecorder(context);
    bus.subscribe("order.placed", seen[id].subscriber(), { subscriberId: id, concurrency: 50 });
  }
  await bus.start();
  return { bus, seen };
}

async function emit(bus: EventBus, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 50) {
    const count = Math.min(50, to - at);
    await bus.emit(
      Array.from({ length: count }, (_, index) => ({ name: "order.placed", data: at + index })),
    );
  }
}

/** Insists that nothing of 0 … count-1 is missing, and nothing repeated. */
async function handled(
  context: CaseContext,
  count: number,
  ...recorders: readonly RunRecorder[]
): Promise<void> {
  const runs = (): number => recorders.reduce((sum, it) => sum + it.runs.length, 0);
  const distinct = (): number => new Set(recorders.flatMap(({ data }) => data)).size;
  await context.waiting.until(
    () => `${count} events: lost ${count - distinct()}, repeated ${runs() - distinct()}`,
    () => runs() >= count && distinct() >= count,
  );
  assert.equal(runs() - count, 0, "each of them once: none is repeated");
}

const STRICT = { ordering: "key", onOrderedFailure: "block" } as const;

/** What instances declare, and whose handlers run: all of them have the event's name. */
class Declarations {
  readonly #context: CaseContext;
  readonly #seen = new Map<string, string[]>();
  readonly #running = new Set<string>();
  readonly #mixed: string[] = [];

  constructor(context: CaseContext) {
    this.#context = context;
  }

  /** Starts an instance that only declares, or one that also handles events. */
  async start(
    role: "server" | "worker",
    subscriptions: Readonly<Record<string, Omit<SubscriberContext, "subscriberId">>>,
  ): Promise<EventBus> {
    const bus = await this.#context.bus({ role });
    for (const [subscriberId, policy] of Object.entries(subscriptions)) {
      const [name = ""] = subscriberId.split(" ");
      const handle = ({ data }: { readonly data: unknown }): Promise<void> =>
        this.#handle(name, data as { readonly key: string; readonly n: number });
      bus.subscribe("order.placed", handle, { ...policy, subscriberId });
    }
    await bus.start();
    return bus;
  }

  /** Emits events of two keys, of which the very first one fails for good. */
  async emit(bus: EventBus): Promise<void> {
    const events = Array.from({ length: 20 }, (_, n) => ["a", "b"].map((key) => ({ key, n })));
    await bus.emit(
      events.flat().map((data) => {
        return { name: "order.placed", data, options: { orderingKey: data.key } };
      }),
    );
  }

  /** Insists that the key whose first event is dead waits, and that the other one went by in order. */
  async assertBlocked(names: readonly string[]): Promise<void> {
    const { waiting } = this.#context;
    for (const name of names) {
      const ofKey = (key: string): readonly string[] =>
        (this.#seen.get(name) ?? []).filter((it) => it.startsWith(key));
      await waiting.until(
        () => `20 runs of key b in ${name} (there were ${ofKey("b").length})`,
        () => ofKey("b").length >= 20 && ofKey("a").length >= 1,
      );
      await pause(this.#context.quietMs);
      assert.deepEqual(ofKey("a"), ["a0"], `${name}: its key waits behind a dead letter`);
      const expected = Array.from({ length: 20 }, (_, n) => `b${n}`);
      assert.deepEqual(ofKey("b"), expected, `${name}: the order of a key`);
    }
    assert.deepEqual(this.#mixed, [], "one event of a key at a time");
  }

  /** Insists that every event of the blocked key comes, in order, once its dead letter is discarded. */
  async assertGoesOn(
    bus: EventBus,
    subscriptions: Readonly<Record<string, string>>,
  ): Promise<void> {
    for (const [name, subscriptionId] of Object.entries(subscriptions)) {
      const discarded = await bus.deadLetters.discard(subscriptionId);
      assert.equal(discarded, 1, `${name}: one dead letter`);
      const ofKey = (): readonly string[] =>
        (this.#seen.get(name) ?? []).filter((it) => it.startsWith("a"));
      await this.#context.waiting.until(
        () => `20 runs of key a in ${name} (there were ${ofKey().length})`,
        () => ofKey().length >= 20,
      );
      const expected = Array.from({ length: 20 }, (_, n) => `a${n}`);
      assert.deepEqual(ofKey(), expected, `${name}: the order of the key that was blocked`);
    }
  }

  async #handle(
    name: string,
    { key, n }: { readonly key: string; readonly n: number },
  ): Promise<void> {
    const lane = `${name} ${key}`;
    if (this.#running.has(lane)) this.#mixed.push(`${lane}${n}`);
    this.#running.add(lane);
    this.#seen.set(name, [...(this.#seen.get(name) ?? []), `${key}${n}`]);
    this.#context.waiting.changed();
    await pause(n % 3);
    this.#running.delete(lane);
    if (key === "a" && n === 0) throw new PermanentError("no");
  }
}

export const skew: readonly ConformanceCase[] = defineCases("deploy-skew", [
  {
    id: "two-releases",
    name: "two releases at once, each with a subscription that the other lacks, lose nothing",
    promise: SKEW,
    when: durable,
    limitMs: () => 60_000,
    async run(context) {
      const before = await release(context, ["mail", "old"]);
      const after = await release(context, ["mail", "new"]);
      await Promise.all([emit(before.bus, 0, EVENTS / 2), emit(after.bus, EVENTS / 2, EVENTS)]);
      await handled(context, EVENTS, before.seen.mail, after.seen.mail);
      await handled(context, EVENTS, before.seen.old);
      await handled(context, EVENTS, after.seen.new);
      context.report(`${EVENTS} events in 3 subscriptions of two releases: lost 0, repeated 0`);
    },
  },
  {
    id: "ordering",
    name: "an instance that declares no order beside one that declares it takes it from nobody",
    promise: "contract: the strictest ordering holds while releases differ",
    when: all(durable, can("ordering")),
    limitMs: () => 30_000,
    async run(context) {
      const order = new Map<string, number[]>();
      const running = new Set<string>();
      const mixed: string[] = [];
      const handle = async ({ data }: { readonly data: unknown }): Promise<void> => {
        const { key, n } = data as { readonly key: string; readonly n: number };
        if (running.has(key)) mixed.push(`${key}: ${n}`);
        running.add(key);
        order.set(key, [...(order.get(key) ?? []), n]);
        await pause(n % 3);
        running.delete(key);
      };
      const [strict, lax] = [await context.bus(), await context.bus()];
      const [one, other] = [new RunRecorder(context), new RunRecorder(context)];
      const subscriberId = "mail";
      strict.subscribe("order.placed", one.subscriber(handle), { subscriberId, ordering: "key" });
      lax.subscribe("order.placed", other.subscriber(handle), { subscriberId });
      await strict.start();
      await lax.start();
      const keys = ["a", "b", "c", "d"];
      await lax.emit(
        Array.from({ length: 200 }, (_, n) => {
          const key = keys[n % keys.length] as string;
          return { name: "order.placed", data: { key, n }, options: { orderingKey: key } };
        }),
      );
      await context.waiting.until(
        () => `200 runs (there were ${one.runs.length + other.runs.length})`,
        () => one.runs.length + other.runs.length >= 200,
      );
      assert.deepEqual(mixed, [], "one event of a key at a time");
      for (const [key, numbers] of order) {
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          `the order of ${key}`,
        );
      }
    },
  },
  {
    id: "ordered-failure",
    name: "where one release blocks a key behind its dead letter and another parks it, the key is blocked",
    promise: "contract: the strictest policy holds while releases differ",
    when: all(durable, can("ordering")),
    limitMs: () => 30_000,
    async run(context) {
      const declarations = new Declarations(context);
      const lax = { ordering: "key" } as const;
      await declarations.start("worker", { "parked-first": lax });
      const strict = { "parked-first": STRICT, "blocked-first": STRICT };
      const server = await declarations.start("server", strict);
      await declarations.start("worker", { "blocked-first": lax });
      await declarations.emit(server);
      await declarations.assertBlocked(Object.keys(strict));
      await declarations.assertGoesOn(server, {
        "parked-first": "parked-first",
        "blocked-first": "blocked-first",
      });
    },
  },
  {
    id: "renamed-policy",
    name: "what a release declares under an earlier id counts for the subscription that it has become",
    promise: "contract: the strictest policy holds while releases differ, across aliases",
    when: all(durable, can("ordering")),
    limitMs: () => 30_000,
    async run(context) {
      const declarations = new Declarations(context);
      const renamed = (earlier: string) => ({ aliases: [earlier] });
      await declarations.start("worker", {
        "late-strict new": renamed("late-strict old"),
        "lax-before old": {},
      });
      const server = await declarations.start("server", {
        "strict-before old": STRICT,
        "late-strict old": STRICT,
        "lax-before new": { ...STRICT, ...renamed("lax-before old") },
      });
      await declarations.start("worker", { "strict-before new": renamed("strict-before old") });
      await declarations.emit(server);
      const names = ["strict-before", "late-strict", "lax-before"];
      await declarations.assertBlocked(names);
      await declarations.assertGoesOn(
        server,
        Object.fromEntries(names.map((name) => [name, `${name} new`])),
      );
    },
  },
  {
    id: "no-code",
    name: "an instance without code for an event leaves it to one that has it",
    promise: "guarantee: an instance runs only what it has code for and releases the rest",
    when: durable,
    limitMs: () => 30_000,
    async run(context) {
      const [older, newer] = [await context.bus(), await context.bus()];
      const [one, other] = [new RunRecorder(context), new RunRecorder(context)];
      older.subscribe("order.placed", one.subscriber(), { subscriberId: "mail" });
      newer.subscribe(["order.placed", "order.shipped"], other.subscriber(), {
        subscriberId: "mail",
      });
      await older.start();
      await newer.start();
      await older.emit(Array.from({ length: 10 }, (_, data) => ({ name: "order.shipped", data })));
      // An instance without code for it releases it for a second, so that it may take a few.
      await context.numbers.eventually("an empty queue", async () => {
        const { subscriptions } = await newer.inspect();
        return subscriptions.every(
          ({ ready, delayed, inFlight }) => ready + delayed + inFlight === 0,
        );
      });
      assert.deepEqual([one.runs.length, other.runs.length], [0, 10]);
      assert.ok(
        other.runs.every(({ attempt }) => attempt === 1),
        "released, not counted",
      );
      assert.deepEqual((await newer.deadLetters.list()).items, []);
    },
  },
  {
    id: "rolling",
    name: "instances that stop and start while events are emitted lose nothing",
    promise: SKEW,
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 60_000 + 2 * redeliverAfterMs,
    async run(context) {
      const server = await release(context, ["mail", "stock"], { role: "server" });
      const emitting = emit(server.bus, 0, EVENTS);
      const [mail, stock]: [RunRecorder[], RunRecorder[]] = [[], []];
      let current = await release(context, ["mail", "stock"]);
      for (let deploy = 0; deploy < 4; deploy++) {
        mail.push(current.seen.mail);
        stock.push(current.seen.stock);
        // A fast provider may have handed everything to the ones before.
        const hasRun = current.seen.mail.ran(100);
        hasRun.catch(() => {});
        await Promise.race([hasRun, emitting]);
        const next = await release(context, ["mail", "stock"]);
        await current.bus.stop();
        current = next;
      }
      await emitting;
      await handled(context, EVENTS, ...mail, current.seen.mail);
      await handled(context, EVENTS, ...stock, current.seen.stock);
    },
  },
  {
    id: "rollback",
    name: "a release that comes back finds what waited for its subscription",
    promise: "guarantee: an orphaned subscription keeps its backlog",
    when: durable,
    limitMs: () => 60_000,
    async run(context) {
      const before = await release(context, ["mail", "old"]);
      await before.bus.stop();
      const after = await release(context, ["mail", "new"]);
      await emit(after.bus, 0, EVENTS);
      await handled(context, EVENTS, after.seen.mail);
      await after.bus.stop();
      const again = await release(context, ["mail", "old"]);
      await handled(context, EVENTS, again.seen.old);
      assert.equal(again.seen.mail.runs.length, 0);
      context.report(`${EVENTS} events in the backlog of a release that came back: lost 0`);
    },
  },
  {
    id: "rename",
    name: "a subscription renamed by alias loses nothing, while both names run",
    promise: "contract: aliases",
    when: durable,
    limitMs: () => 30_000,
    async run(context) {
      const before = await release(context, ["old-name"]);
      await before.bus.pause("old-name");
      await emit(before.bus, 0, 200);
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("order.placed", seen.subscriber(), {
        subscriberId: "new-name",
        aliases: ["old-name"],
      });
      await bus.start();
      // The older release goes on, and may even declare the old name again.
      await before.bus.resume("old-name");
      await emit(before.bus, 200, 300);
      await emit(bus, 300, 400);
      await handled(context, 400, seen, before.seen["old-name"]);
    },
  },
  {
    id: "server-only",
    name: "what a process that only emits declares waits for the first worker",
    promise: "guarantee: every instance declares what it has code for, emit-only ones too",
    when: durable,
    limitMs: () => 30_000,
    async run(context) {
      const server = await release(context, ["mail"], { role: "server" });
      await emit(server.bus, 0, 300);
      assert.equal(server.seen.mail.runs.length, 0, "it handles nothing itself");
      await server.bus.stop();
      const worker = await release(context, ["mail"]);
      await handled(context, 300, worker.seen.mail);
    },
  },
  {
    id: "late-declare",
    name: "a retired subscription that an older release declares again gets new events, and no old ones",
    promise: "guarantee: retire ends a subscription",
    when: durable,
    limitMs: () => 30_000,
    async run(context) {
      const before = await release(context, ["mail", "old"]);
      await before.bus.stop();
      const after = await release(context, ["mail"]);
      await emit(after.bus, 0, 50);
      assert.equal(await after.bus.retire("old", { backlog: "discard" }), 50);
      await emit(after.bus, 50, 100);
      const late = await release(context, ["mail", "old"]);
      await emit(after.bus, 100, 150);
      await late.seen.old.ran(50);
      await settled(context, late.bus);
      assert.deepEqual(
        [...late.seen.old.data].toSorted((a, b) => Number(a) - Number(b)),
        Array.from({ length: 50 }, (_, index) => 100 + index),
      );
      await handled(context, 150, after.seen.mail, late.seen.mail);
    },
  },
]);
