import assert from "node:assert/strict";
import { consumer, envelope, envelopes } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { adjusts, all, can } from "../requirements.ts";

export const batch: readonly ConformanceCase[] = defineCases("batch", [
  {
    id: "positional",
    name: "publish answers in the order of the batch",
    promise: "contract: one result per envelope, in order",
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("a", { events: ["x.one", "x.two"] }));
      await instance.consume(consumer("b", { events: ["x.two"] }));
      const names = ["x.none", "x.one", "x.two", "x.one", "x.none", "x.two"];
      const results = await instance.publish(
        ...names.map((name, index) => envelope(`${index}`, { name })),
      );
      assert.deepEqual(
        results.map((result) => result.status === "accepted" && result.subscriptions),
        [0, 1, 2, 1, 0, 2],
      );
    },
  },
  {
    id: "partial-rejection",
    name: "a rejected envelope hides neither the acceptance nor the place of the others",
    promise: "contract: one result per envelope, in order",
    when: all(adjusts("maxPending"), ({ capabilities }) =>
      capabilities.wholeBatches ? "the provider takes batches as a whole" : undefined,
    ),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const full = await instance.consume(
        consumer("full", { events: ["full"], concurrency: 1 }),
        "hold",
      );
      const fine = await instance.consume(consumer("fine", { events: ["fine"] }));
      await instance.publish(envelope("held", { name: "full" }));
      await full.holds(1);
      await instance.publish(envelope("waits", { name: "full" }));
      const names = ["fine", "full", "fine", "full", "fine"];
      // One by one, so that "fine" has room for each.
      const results = await instance.answers(
        names.map((name, index) => envelope(`${index}`, { name })),
        { deadline: performance.now() + 300 },
      );
      assert.deepEqual(
        results.map((result) => (result.status === "rejected" ? result.code : result.status)),
        ["accepted", "overloaded", "accepted", "overloaded", "accepted"],
      );
      await fine.has(["0", "2", "4"]);
      full.settleAll();
      await full.has(["waits"]);
      full.settleAll();
      await full.idle();
      await instance.silence();
      assert.deepEqual(full.ids, ["held", "waits"]);
    },
  },
  {
    id: "whole",
    name: "a batch that does not fit as a whole is refused as a whole",
    promise: "contract: wholeBatches",
    when: all(adjusts("maxPending"), ({ capabilities }) =>
      capabilities.wholeBatches ? undefined : "the provider judges each envelope by itself",
    ),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const full = await instance.consume(consumer("full", { concurrency: 1 }), "hold");
      await instance.publish(envelope("held"));
      await full.holds(1);
      const results = await instance.answers([envelope("1"), envelope("2")], {
        deadline: performance.now() + 300,
      });
      assert.deepEqual(
        results.map(({ status }) => status),
        ["rejected", "rejected"],
      );
      full.settleAll();
      await full.idle();
      await instance.silence();
      assert.deepEqual(full.ids, ["held"]);
    },
  },
  {
    id: "duplicates-within",
    name: "a duplicate within a batch is told apart from what it repeats",
    promise: "contract: PublishResult duplicate",
    when: can("deduplication"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const results = await instance.answers([
        envelope("1", { deduplicationId: "d" }),
        envelope("2"),
        envelope("3", { deduplicationId: "d" }),
        envelope("4", { deduplicationId: "e" }),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["accepted", "accepted", "duplicate", "accepted"],
      );
      await instance.nothingMore(inbox);
      assert.deepEqual(inbox.ids.filter((id) => !id.startsWith("marker")).toSorted(), [
        "1",
        "2",
        "4",
      ]);
    },
  },
  {
    id: "empty",
    name: "publishing nothing answers with nothing",
    promise: "contract: one result per envelope",
    async run(context) {
      const instance = await context.start();
      assert.deepEqual(await instance.answers([]), []);
    },
  },
  {
    id: "deadline-passed",
    name: "a publish whose deadline has passed answers all the same, and does as it says",
    promise: "guarantee: emit never hangs; contract: deadline",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const sent = envelopes(3);
      const publish = instance.answers(sent, { deadline: performance.now() - 1 });
      const what = "a publish whose deadline has passed";
      const results = await context.waiting
        .within(what, context.ms(5_000), publish)
        .catch((error: unknown) => {
          if (error instanceof assert.AssertionError) throw error;
          return undefined;
        });
      // A rejection says that the outcome is unknown.
      if (!results) return;
      assert.equal(results.length, sent.length);
      const accepted = sent.filter((_, index) => results[index]?.status === "accepted");
      await inbox.has(accepted.map(({ id }) => id));
      await instance.nothingMore(inbox);
      assert.equal(
        inbox.ids.length,
        accepted.length + 1,
        "those that were accepted, and the marker",
      );
    },
  },
  {
    id: "five-thousand",
    name: "five thousand events in as few calls as the provider takes are delivered, each once",
    promise: "guarantee: nothing is lost silently; contract: maxBatch",
    limitMs: () => 30_000,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 50 }));
      const sent = envelopes(5_000);
      const { maxBatch = sent.length } = context.capabilities;
      for (let from = 0; from < sent.length; from += maxBatch) {
        await instance.publish(...sent.slice(from, from + maxBatch));
      }
      await inbox.has(sent.map(({ id }) => id));
      await inbox.idle();
      await instance.silence();
      assert.equal(inbox.ids.length, 5_000);
    },
  },
  {
    id: "concurrent",
    name: "publishes that overlap each get the results of their own envelopes",
    promise: "contract: publish any number of times and concurrently",
    async run(context) {
      const instance = await context.start();
      const inboxes = [];
      for (let number = 0; number < 4; number++) {
        // `n.3` goes to three subscriptions, and so on.
        const events = [1, 2, 3, 4].filter((count) => count > number).map((count) => `n.${count}`);
        inboxes.push(await instance.consume(consumer(`s-${number}`, { events })));
      }
      const publishes = Array.from({ length: 60 }, async (_, index) => {
        const count = 1 + (index % 4);
        const sent = envelopes(1 + (index % 3), `p${index}-`, () => ({ name: `n.${count}` }));
        const results = await instance.answers(sent);
        assert.deepEqual(
          results,
          sent.map(() => ({ status: "accepted", subscriptions: count })),
        );
      });
      await Promise.all(publishes);
    },
  },
]);
