import assert from "node:assert/strict";
import { consumer, envelope, envelopes, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { all, cannot, durable, has, lacks, notDurable, refusesGroups } from "../requirements.ts";

const FLAGS = ["durable", "delay", "retryDelay", "priority", "deduplication", "ordering"] as const;
const UNSUPPORTED = { code: "BUSBAR_UNSUPPORTED" };
const REFUSED = "guarantee: unsupported is an error, naming provider and option";

export const capabilities: readonly ConformanceCase[] = defineCases("capabilities", [
  {
    id: "well-formed",
    name: "name and capabilities are what the contract asks for, and stay the same",
    promise: "contract: fixed when the provider is made",
    async run(context) {
      const provider = await context.create();
      const before = { ...provider.capabilities };
      assert.match(provider.name, /^[a-z][a-z0-9.-]*$/, "stable and lower-case");
      for (const flag of FLAGS) {
        assert.equal(typeof before[flag], "boolean", `the capability ${flag} is declared`);
      }
      assert.ok(["shared", "fresh"].includes(before.payload));
      assert.ok(Number.isFinite(before.redeliverAfterMs) && before.redeliverAfterMs >= 0);
      const { maxBatch } = before;
      assert.ok(maxBatch === undefined || (Number.isSafeInteger(maxBatch) && maxBatch >= 1));
      const { statsLagMs = 0 } = before;
      assert.ok(Number.isFinite(statsLagMs) && statsLagMs >= 0);
      assert.ok([undefined, "ignored", "applied"].includes(before.lateSettlements));
      await context.started(provider);
      assert.deepEqual({ ...provider.capabilities }, before);
    },
  },
  {
    id: "durable-parts",
    name: "a durable provider has a subscription list and an admin part",
    promise: "contract: required when durable",
    when: durable,
    async run(context) {
      const provider = await context.create();
      assert.ok(provider.subscriptions && provider.admin);
    },
  },
  {
    id: "no-delay-refused",
    name: "a provider that cannot delay a publish has the option delay refused by the bus, and no backoff",
    promise: REFUSED,
    when: cannot("delay"),
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      await assert.rejects(bus.emit("a", 1, { delay: 100 }), UNSUPPORTED);
      if (!context.capabilities.retryDelay) return;
      bus.subscribe("a", () => {}, { subscriberId: "mail", backoff: 100 });
      await bus.emit("a", 1, { attempts: 2, backoff: 100 });
    },
  },
  {
    id: "no-retry-delay-refused",
    name: "a provider that cannot delay a retry has the option backoff refused by the bus, and retries at once",
    promise: REFUSED,
    when: cannot("retryDelay"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber((_, { attempt }) => {
        if (attempt < 3) throw new Error("not yet");
      });
      bus.subscribe("a", work, { subscriberId: "mail", attempts: 3 });
      await bus.start();
      await assert.rejects(bus.emit("a", 1, { attempts: 2, backoff: 100 }), UNSUPPORTED);
      assert.throws(() => bus.subscribe("a", () => {}, { backoff: 100 }), UNSUPPORTED);
      await bus.emit("a", 1);
      await seen.ran(3);
      if (context.capabilities.delay) await bus.emit("b", 1, { delay: 100 });
    },
  },
  {
    id: "no-ordering-refused",
    name: "a provider without ordering has it refused by the bus",
    promise: REFUSED,
    when: cannot("ordering"),
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      await assert.rejects(bus.emit("a", 1, { orderingKey: "key" }), UNSUPPORTED);
      assert.throws(() => bus.subscribe("a", () => {}, { ordering: "key" }), UNSUPPORTED);
    },
  },
  {
    id: "no-deduplication-refused",
    name: "a provider without deduplication has it refused by the bus",
    promise: REFUSED,
    when: cannot("deduplication"),
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      await assert.rejects(bus.emit("a", 1, { deduplicationId: "d" }), UNSUPPORTED);
    },
  },
  {
    id: "no-targets-refused",
    name: "a provider that cannot address subscriptions has the option to refused by the bus",
    promise: REFUSED,
    when: cannot("targets"),
    async run(context) {
      const bus = await context.bus();
      bus.subscribe("a", () => {}, { subscriberId: "mail" });
      await bus.start();
      await assert.rejects(bus.emit("a", 1, { to: ["mail"] }), UNSUPPORTED);
    },
  },
  {
    id: "no-groups-refused",
    name: "a durable provider that stages no groups has them refused by the bus",
    promise: REFUSED,
    when: refusesGroups,
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };
      await assert.rejects(bus.emit(grouped), UNSUPPORTED);
      await assert.rejects(bus.releaseGroupedEvents("g"), UNSUPPORTED);
    },
  },
  {
    id: "no-admin-refused",
    name: "a provider without an admin part has dead letters refused by the bus",
    promise: REFUSED,
    when: lacks("admin"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const fails = seen.subscriber(({ data }) => {
        if (data !== "last") throw new Error("no");
      });
      bus.subscribe("a", fails, { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      await bus.emit("a", 1);
      await settled(context, bus);
      await assert.rejects(bus.deadLetters.list(), UNSUPPORTED);
      await assert.rejects(bus.deadLetters.replay("mail"), UNSUPPORTED);
      await assert.rejects(bus.deadLetters.discard("mail"), UNSUPPORTED);
      await bus.emit("a", "last");
      await settled(context, bus);
      assert.deepEqual(seen.data, [1, "last"], "what is dead comes no more");
      const { counters } = await bus.inspect();
      assert.deepEqual([counters.dead, counters.deadLettersDropped], [1, 1], "counted as dropped");
    },
  },
  {
    id: "no-list-refused",
    name: "a provider without a subscription list has a retirement refused by the bus",
    promise: REFUSED,
    when: lacks("subscriptions"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit("a", 1);
      await seen.ran(1);
      await assert.rejects(bus.retire("mail"), UNSUPPORTED);
      await assert.rejects(bus.retire("mail", { events: ["a"] }), UNSUPPORTED);
      await bus.emit("a", 2);
      await seen.ran(2);
      assert.deepEqual(seen.data, [1, 2], "it goes on as before");
    },
  },
  {
    id: "server-role",
    name: "a process that only emits is refused on a provider in memory",
    promise: "bus: the role server is refused on a provider that is not durable",
    when: notDurable,
    async run(context) {
      const bus = await context.bus({ role: "server" });
      await assert.rejects(bus.start(), UNSUPPORTED);
    },
  },
]);

export const probe: readonly ConformanceCase[] = defineCases("probe", [
  {
    id: "ok",
    name: "probe is ok while the provider works, and not before or after",
    promise: "contract: EventProvider.probe",
    when: has("probe"),
    async run(context) {
      const provider = await context.create();
      assert.equal((await provider.probe?.())?.ok, false, "not started");
      const instance = await context.started(provider);
      assert.equal((await provider.probe?.())?.ok, true);
      await instance.stop();
      assert.equal((await provider.probe?.())?.ok, false, "stopped");
    },
  },
  {
    id: "changes-nothing",
    name: "probe changes nothing",
    promise: "contract: looks, and changes nothing",
    when: all(has("probe"), has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      await instance.publish(...envelopes(3));
      const before = await instance.registry.list();
      await instance.hasStats("mail", { ready: 3 });
      for (let round = 0; round < 5; round++) await instance.provider.probe?.();
      assert.deepEqual(await instance.registry.list(), before);
      await instance.showsStats("mail", { ready: 3, delayed: 0, inFlight: 0, dead: 0 });
      const inbox = await instance.consume(consumer("mail"));
      await inbox.received(3);
      assert.ok(inbox.handovers.every(({ delivery }) => delivery.crashes === 0));
    },
  },
]);

export const namespaces: readonly ConformanceCase[] = defineCases("namespaces", [
  {
    id: "isolate",
    name: "buses of two names have nothing in common",
    promise: "contract: namespace is the prefix of everything the provider names",
    async run(context) {
      const one = await context.start();
      const other = await context.start({ namespace: `${context.namespace}-other` });
      const mine = await one.consume(consumer("mail"));
      const theirs = await other.consume(consumer("mail"));
      const only = await other.consume(consumer("stock"));
      // Were they one bus, they would compete for these, and "stock" would get all of them.
      const results = await one.publish(...envelopes(20, "one-"));
      for (const result of results)
        assert.deepEqual(result, { status: "accepted", subscriptions: 1 });
      await other.publish(...envelopes(20, "other-"));
      const idsOf = (prefix: string) => envelopes(20, prefix).map(({ id }) => id);
      await mine.has(idsOf("one-"));
      for (const inbox of [theirs, only]) await inbox.has(idsOf("other-"));
      await one.silence();
      assert.deepEqual(
        [mine, theirs, only].map(({ ids }) => ids.length),
        [20, 20, 20],
      );
    },
  },
  {
    id: "isolate-lists",
    name: "buses of two names have lists and dead letters of their own",
    promise: "contract: namespace is the prefix of everything the provider names",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const one = await context.start();
      const other = await context.start({ namespace: `${context.namespace}-other` });
      await one.consume(consumer("mail"), () => ({ type: "dead", reason: "failed", state: null }));
      await one.publish(envelope("1"));
      await one.hasDead("mail", 1);
      assert.deepEqual(await other.registry.list(), []);
      assert.deepEqual(await other.dead("mail"), []);
    },
  },
  {
    id: "shared",
    name: "instances of one name share subscriptions and events",
    promise: "guarantee: the subscription list lives in the broker",
    when: durable,
    async run(context) {
      const [one, other] = [await context.start(), await context.start()];
      const inbox = await other.consume(consumer("mail"));
      const [result] = await one.publish(envelope("1"));
      assert.deepEqual(result, { status: "accepted", subscriptions: 1 });
      await inbox.has(["1"]);
      const ids = (await one.registry.list()).map(({ subscriptionId }) => subscriptionId);
      assert.deepEqual(ids, ["mail"]);
    },
  },
]);
