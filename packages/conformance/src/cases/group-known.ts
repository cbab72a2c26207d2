import assert from "node:assert/strict";
import type { GroupStaging, KnownGroups, PublishResult, StagedEvent } from "@busbar/core/provider";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, has, knowsGroups } from "../requirements.ts";
import { event, groupsOf, LEASE_MS, options, staged } from "../staged.ts";

const RELEASE = "contract: KnownGroups.release";

/** What a process may do with groups that it has staged itself. */
export const knownGroups: readonly ConformanceCase[] = defineCases("groups", [
  {
    id: "known",
    name: "a group that one instance has staged is released in one step, once",
    promise: "contract: KnownGroups",
    when: all(has("groups"), knowsGroups),
    async run(context) {
      const { instance, groups, inbox, stage } = await staged(context);
      const known = knownOf(groups);
      await stage("g", "1", "2");
      await stage("g", "3");
      const events = known.take("g") ?? [];
      assert.deepEqual(idsOf(events), ["1", "2", "3"], "in the order of their emits");
      assert.equal(known.take("g"), undefined, "it is forgotten");
      const results = await releaseOf(known, "g", events);
      assert.deepEqual(
        results,
        events.map(() => ({ status: "accepted", subscriptions: 1 })),
      );
      await inbox.has(["1", "2", "3"]);
      assert.deepEqual(await groups.list(), []);
      assert.equal(await releaseOf(known, "g", events), undefined, "there is no such group");
      await groups.mark("g");
      assert.equal(await groups.claim({ eventGroupId: "g", leaseMs: LEASE_MS }), undefined);
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 4, "each once, and the marker");
    },
  },
  {
    id: "known-changed",
    name: "a group that another instance has changed is not released by what one remembers of it",
    promise: RELEASE,
    when: all(has("groups"), knowsGroups),
    async run(context) {
      const { instance, groups, inbox, stage } = await staged(context);
      const known = knownOf(groups);
      const peer = groupsOf(await context.peerOf(instance));
      const change = async (group: string, by: () => Promise<unknown>): Promise<void> => {
        await stage(group, `${group}.1:s1`, `${group}.2:s2`);
        await by();
        const events = known.take(group) ?? [];
        if (events.length > 0) {
          assert.equal(await releaseOf(known, group, events), undefined, `${group} has changed`);
        }
      };
      await change("x.filled", () => peer.stage("x.filled", [event("x.filled.3")], {}));
      await change("x.cleared", () => peer.clear("x.cleared", {}));
      await change("x.thinned", () => peer.clear("x.thinned", { stepIds: ["s1"] }));
      await change("x.exchanged", async () => {
        await peer.clear("x.exchanged", { stepIds: ["s1"] });
        await peer.stage("x.exchanged", [event("x.exchanged.3")], {});
      });
      await change("x.claimed", async () => {
        await peer.mark("x.claimed");
        assert.ok(await peer.claim({ eventGroupId: "x.claimed", leaseMs: LEASE_MS }));
      });
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 1, "nothing was published but the marker");
      const left = (await groups.list()).map(({ eventGroupId, events }) => [eventGroupId, events]);
      assert.deepEqual(Object.fromEntries(left), {
        "x.filled": 3,
        "x.thinned": 1,
        "x.exchanged": 2,
        "x.claimed": 2,
      });
    },
  },
  {
    id: "known-unstaged",
    name: "events that a release brings with it are published once, whether or not they are staged as well",
    promise: RELEASE,
    when: all(has("groups"), knowsGroups),
    async run(context) {
      const { instance, groups, inbox, stage, release } = await staged(context);
      const known = knownOf(groups);
      const peer = groupsOf(await context.peerOf(instance));
      await stage("g", "1");
      const events = known.take("g") ?? [];
      assert.ok(await releaseOf(known, "g", events, [event("2")], "first"));
      assert.ok(await releaseOf(known, "alone", [], [event("3")], "second"));
      // As a call whose answer was lost, and that is made again in another way.
      await groups.stage("g", [event("2")], { token: "first" });
      await groups.stage("alone", [event("3")], { token: "second" });
      assert.deepEqual(await groups.list(), [], "they count as staged");

      await groups.stage("late", [event("4")], { token: "third" });
      await groups.stage("late", [event("4")], { token: "third" });
      assert.equal(await releaseOf(known, "late", [], [event("4")], "third"), undefined);
      await release("late");
      assert.equal(await releaseOf(known, "late", [], [event("4")], "third"), undefined);

      await peer.stage("filled", [event("5")], {});
      assert.equal(await releaseOf(known, "filled", [], [event("6")], "fourth"), undefined);
      await groups.stage("filled", [event("6")], { token: "fourth" });
      await release("filled");
      await inbox.has(["1", "2", "3", "4", "5", "6"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 7, "each once, and the marker");
    },
  },
]);

function knownOf({ known }: GroupStaging): KnownGroups {
  assert.ok(known);
  return known;
}

function idsOf(events: readonly StagedEvent[]): readonly string[] {
  return events.map((it) => it.envelope.id);
}

/** Releases what is known of a group, and events that are not staged. */
function releaseOf(
  known: KnownGroups,
  group: string,
  events: readonly StagedEvent[],
  further: readonly StagedEvent[] = [],
  unstaged?: string,
): Promise<readonly PublishResult[] | undefined> {
  const envelopes = [...events, ...further].map((it) => it.envelope);
  return known.release(group, events, envelopes, { ...options(), unstaged });
}
