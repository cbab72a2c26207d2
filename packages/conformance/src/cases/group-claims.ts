import assert from "node:assert/strict";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { has } from "../requirements.ts";
import { groupsOf, LEASE_MS, options, staged } from "../staged.ts";

/** Who may publish a group, and for how long. */
export const groupClaims: readonly ConformanceCase[] = defineCases("groups", [
  {
    id: "two-claims",
    name: "of two claims at once, one has the group",
    promise: "contract: neither two releases at once nor a crash repeats an event",
    when: has("groups"),
    async run(context) {
      const { instance, groups: staging, inbox, stage } = await staged(context);
      const peer = groupsOf(await context.peerOf(instance));
      await stage("g", "1", "2");
      await Promise.all([staging.mark("g"), peer.mark("g")]);
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 ? staging : peer).claim({
            leaseMs: LEASE_MS,
            ...(index < 6 && { eventGroupId: "g" }),
          }),
        ),
      );
      const held = claims.filter((claim) => claim !== undefined);
      assert.equal(held.length, 1);
      const [claim] = held;
      if (claim)
        await staging.complete(
          claim,
          claim.events.map((it) => it.envelope),
          options(),
        );
      await inbox.has(["1", "2"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 3, "each once, and the marker");
    },
  },
  {
    id: "lease",
    name: "when a lease has ended, another claim may have the group, and the first is void",
    promise: "contract: claims under a lease",
    when: has("groups"),
    async run(context) {
      const { instance, groups: staging, inbox, stage } = await staged(context);
      await stage("g", "1");
      await staging.mark("g");
      const first = await staging.claim({ eventGroupId: "g", leaseMs: 100 });
      assert.ok(first);
      let second: typeof first | undefined;
      await context.waiting.eventually("the end of a lease", async () => {
        second = await staging.claim({ leaseMs: LEASE_MS });
        return second !== undefined;
      });
      assert.ok(second);
      const envelopes = second.events.map((it) => it.envelope);
      await staging.complete(second, envelopes, options());
      await assert.rejects(async () => {
        const results = await staging.complete(first, envelopes, options());
        if (results.every(({ status }) => status === "rejected")) throw new Error("rejected");
      }, "a claim whose lease has ended publishes nothing");
      await inbox.has(["1"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 1);
    },
  },
  {
    id: "abandon",
    name: "a claim that is given up need not be waited for",
    promise: "contract: GroupStaging.abandon",
    when: has("groups"),
    async run(context) {
      const { groups: staging, stage } = await staged(context);
      await stage("g", "1");
      await staging.mark("g");
      const first = await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.ok(first);
      await staging.abandon(first);
      const second = await staging.claim({ leaseMs: LEASE_MS });
      assert.equal(second?.eventGroupId, "g");
      await staging.abandon(first);
      assert.equal(
        await staging.claim({ leaseMs: LEASE_MS }),
        undefined,
        "the second still has it",
      );
    },
  },
  {
    id: "joins-later",
    name: "an event that joins after the mark waits for the next release",
    promise: "contract: claims the events that a marked group had when it was marked",
    when: has("groups"),
    async run(context) {
      const { instance, groups: staging, inbox, stage, release } = await staged(context);
      await stage("g", "1");
      await staging.mark("g");
      await stage("g", "2");
      const claim = await staging.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.deepEqual(
        claim?.events.map((it) => it.envelope.id),
        ["1"],
      );
      await stage("g", "3");
      if (claim)
        await staging.complete(
          claim,
          claim.events.map((it) => it.envelope),
          options(),
        );
      await inbox.has(["1"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("2") + inbox.times("3"), 0);
      const [listed] = await staging.list();
      assert.deepEqual([listed?.events, listed?.marked], [2, false]);
      await release("g");
      await inbox.has(["2", "3"]);
    },
  },
]);
