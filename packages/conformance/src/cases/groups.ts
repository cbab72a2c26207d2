import assert from "node:assert/strict";
import { asJson, consumer } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, can, durable, has } from "../requirements.ts";
import { event, groupsOf, LEASE_MS, options, staged } from "../staged.ts";

const STAGING = "contract: GroupStaging";

export const groups: readonly ConformanceCase[] = defineCases("groups", [
  {
    id: "release",
    name: "staged events are published when their group is released, in order, and not before",
    promise: STAGING,
    when: has("groups"),
    async run(context) {
      const { instance, groups: staging, inbox, stage } = await staged(context);
      await stage("g", "1", "2");
      await stage("g", "3");
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 1, "the marker only");
      await staging.mark("g");
      const claim = await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.deepEqual(
        claim?.events.map((it) => it.envelope.id),
        ["1", "2", "3"],
      );
      assert.deepEqual(asJson(claim?.events[0]?.envelope.data), event("1").envelope.data);
      const envelopes = claim?.events.map((it) => it.envelope) ?? [];
      const results = await staging.complete(
        claim as NonNullable<typeof claim>,
        envelopes,
        options(),
      );
      assert.deepEqual(
        results,
        envelopes.map(() => ({ status: "accepted", subscriptions: 1 })),
      );
      await inbox.has(["1", "2", "3"]);
      assert.deepEqual(await staging.list(), []);
      assert.equal(await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS }), undefined);
    },
  },
  {
    id: "delay",
    name: "the delay of a staged event comes back with it",
    promise: "contract: a staged envelope is kept as it is",
    when: all(has("groups"), can("delay")),
    async run(context) {
      const { groups: staging } = await staged(context);
      const later = { ...event("1").envelope, delayMs: 4_711 };
      await staging.stage("g", [{ envelope: later }, event("2")], { ttlMs: undefined });
      await staging.mark("g");
      const claim = await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.deepEqual(
        claim?.events.map(({ envelope }) => envelope.delayMs),
        [4_711, undefined],
      );
    },
  },
  {
    id: "unmarked",
    name: "a group that is not marked cannot be claimed",
    promise: STAGING,
    when: has("groups"),
    async run(context) {
      const { groups: staging, stage } = await staged(context);
      await stage("g", "1");
      assert.equal(await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS }), undefined);
      assert.equal(await staging.claim({ leaseMs: LEASE_MS }), undefined);
      const [listed] = await staging.list();
      assert.deepEqual([listed?.eventGroupId, listed?.events, listed?.marked], ["g", 1, false]);
    },
  },
  {
    id: "clear",
    name: "clear deletes a whole group, or the events and steps that are named",
    promise: "contract: GroupStaging.clear",
    when: has("groups"),
    async run(context) {
      const { groups: staging, inbox, stage, release } = await staged(context);
      await stage("g", "x.a:s1", "x.a:s2", "x.b:s1", "x.b:s2", "x.c");
      await stage("other", "kept");
      const clear = staging.clear.bind(staging);
      assert.equal(await clear("g", { eventNames: ["x.a"], stepIds: ["s1"] }), 1);
      assert.equal(await clear("g", { stepIds: ["s1"] }), 1);
      assert.equal(await clear("g", { eventNames: ["x.c", "x.d"] }), 1);
      assert.equal((await staging.list()).find((it) => it.eventGroupId === "g")?.events, 2);
      assert.equal(await clear("g", {}), 2);
      assert.equal(await clear("g", {}), 0);
      assert.deepEqual(
        (await staging.list()).map((it) => it.eventGroupId),
        ["other"],
      );
      await release("g");
      await release("other");
      await inbox.has(["kept"]);
      assert.equal(inbox.ids.length, 1);
    },
  },
  {
    id: "ttl",
    name: "a group expires if it was staged with a TTL, and not once it is marked",
    promise: "guarantee: nothing expires unless a TTL is asked for; contract: GroupStaging.stage",
    when: has("groups"),
    async run(context) {
      const { groups: staging, stage } = await staged(context);
      const ttlMs = 300;
      const stageFor = (group: string) => staging.stage(group, [event("1")], { ttlMs });
      await stage("stays", "1");
      await stageFor("marked");
      await staging.mark("marked");
      const from = performance.now();
      await stageFor("expires");
      const left = async (): Promise<readonly string[]> =>
        (await staging.list()).map((it) => it.eventGroupId).toSorted();
      await context.waiting.eventually(
        "a group to expire",
        async () => !(await left()).includes("expires"),
      );
      assert.ok(performance.now() - from >= ttlMs - 3, "not before its time");
      await staging.mark("expires");
      assert.equal(await staging.claim({ eventGroupId: "expires", leaseMs: LEASE_MS }), undefined);
      assert.deepEqual(await left(), ["marked", "stays"]);
      const claim = await staging.claim({ eventGroupId: "marked", leaseMs: LEASE_MS });
      assert.equal(claim?.events.length, 1);
    },
  },
  {
    id: "fewer",
    name: "complete deletes also what an interceptor dropped",
    promise: "contract: complete publishes envelopes and deletes the claimed events",
    when: has("groups"),
    async run(context) {
      const { instance, groups: staging, inbox, stage } = await staged(context);
      await stage("g", "1", "2", "3");
      await staging.mark("g");
      const claim = await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.ok(claim);
      const kept = claim.events.map((it) => it.envelope).filter(({ id }) => id !== "2");
      await staging.complete(claim, kept, options());
      await inbox.has(["1", "3"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("2"), 0);
      assert.deepEqual(await staging.list(), []);
    },
  },
  {
    id: "survives",
    name: "staged and marked groups outlive their instance, and another finishes them",
    promise: "guarantee: an instance that finds a marked group unfinished finishes it",
    when: all(has("groups"), durable),
    async run(context) {
      const { instance, groups: staging, stage } = await staged(context);
      await stage("marked", "1", "2");
      await stage("staged", "3");
      await staging.mark("marked");
      await instance.stop(0);
      const next = await context.start();
      const inbox = await next.consume(consumer("mail"));
      const later = groupsOf(next);
      const claim = await later.claim({ leaseMs: LEASE_MS });
      assert.equal(claim?.eventGroupId, "marked");
      await later.complete(
        claim,
        claim.events.map((it) => it.envelope),
        options(),
      );
      await inbox.has(["1", "2"]);
      assert.equal(await later.claim({ leaseMs: LEASE_MS }), undefined);
      const [left] = await later.list();
      assert.deepEqual([left?.eventGroupId, left?.marked], ["staged", false]);
    },
  },
]);
