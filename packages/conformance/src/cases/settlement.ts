import assert from "node:assert/strict";
import { ACK, asJson, consumer, dead, envelope, RELEASE, retry } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, can, has } from "../requirements.ts";

/** Milliseconds by which clocks and timers of one machine may differ. */
const CLOCK_SLACK_MS = 3;

export const settlement: readonly ConformanceCase[] = defineCases("settlement", [
  {
    id: "ack",
    name: "what is acknowledged does not come again",
    promise: "contract: a delivery is settled exactly as the bus said",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1"));
      await inbox.has(["1"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 1);
    },
  },
  {
    id: "ack-after-handler",
    name: "a delivery stays in hand until its handler has ended",
    promise: "contract: should deliver reject, the delivery is unsettled and comes again",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("1"));
      const [handover] = await inbox.holds(1);
      await instance.silence();
      await instance.showsStats("mail", { inFlight: 1 }, "while it runs");
      handover?.crash();
      await inbox.received(2);
      inbox.settleAll();
      await instance.hasStats("mail", { ready: 0, inFlight: 0, delayed: 0 });
    },
  },
  {
    id: "retry",
    name: "what is retried comes again",
    promise: "contract: Settlement retry",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (_, nth) =>
        nth < 11 ? retry(0) : ACK,
      );
      await instance.publish(envelope("1"));
      await inbox.received(11);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 11);
    },
  },
  {
    id: "state",
    name: "the state of a retry comes back unchanged, and each replaces the one before",
    promise: "contract: Delivery.state is the state of the last retry, unchanged",
    async run(context) {
      const instance = await context.start();
      const states = [
        { runs: 1, errors: [{ at: 1_700_000_000_000, name: "Error", message: '🎉 "quoted"\n' }] },
        { runs: 2, nested: { deep: [null, {}, [], ""] }, ü: 0.1 },
        [1, "two", null],
        "text",
        0,
        false,
        null,
      ];
      const inbox = await instance.consume(consumer("mail"), (_, nth) =>
        nth <= states.length ? { type: "retry", delayMs: 0, state: states[nth - 1] ?? null } : ACK,
      );
      await instance.publish(envelope("1"));
      await inbox.received(states.length + 1);
      const received = inbox.handovers.slice(1).map(({ delivery }) => delivery.state);
      assert.deepEqual(asJson(received), asJson(states));
    },
  },
  {
    id: "state-per-subscription",
    name: "one subscription's state is not another's",
    promise: "contract: the unit of delivery is the subscription",
    async run(context) {
      const instance = await context.start();
      const inboxes = [];
      for (const [index, id] of ["mail", "stock"].entries()) {
        const state = { of: index };
        inboxes.push(
          await instance.consume(consumer(id), (_, nth) => (nth < 3 ? retry(0, state) : ACK)),
        );
      }
      await instance.publish(envelope("1"));
      for (const [index, inbox] of inboxes.entries()) {
        await inbox.received(3);
        assert.deepEqual(inbox.last("1").delivery.state, { of: index });
      }
    },
  },
  {
    id: "retry-delay",
    name: "a retry comes no earlier than asked, and soon after",
    promise: "contract: retryDelay, the delayMs of a settlement is honoured",
    when: can("retryDelay"),
    async run(context) {
      const instance = await context.start();
      let settledAt = 0;
      const inbox = await instance.consume(consumer("mail"), (_, nth) => {
        if (nth > 1) return ACK;
        settledAt = performance.now();
        return retry(300);
      });
      await instance.publish(envelope("1"));
      await inbox.received(2);
      const waitedMs = inbox.last("1").at - settledAt;
      assert.ok(waitedMs >= 300 - CLOCK_SLACK_MS, `it came after ${waitedMs} of 300 ms`);
      assert.ok(waitedMs < 300 + context.ms(3_000), `it came after ${waitedMs} instead of 300 ms`);
    },
  },
  {
    id: "retry-holds-nothing",
    name: "a retry that waits takes no slot from others",
    promise: "guarantee: one failing delivery delays no other",
    when: can("retryDelay"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), ({ id }, nth) =>
        id === "waits" && nth === 1 ? retry(60_000) : ACK,
      );
      await instance.publish(envelope("waits"));
      await inbox.received(1);
      await instance.publish(envelope("2"), envelope("3"));
      await inbox.has(["2", "3"]);
      assert.equal(inbox.times("waits"), 1);
    },
  },
  {
    id: "crash",
    name: "a delivery that ends unsettled comes again, with one crash more",
    promise: "contract: should deliver reject, the delivery is unsettled and comes again",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth < 4) handover.crash();
        else handover.settle(ACK);
        return handover.settled;
      });
      await instance.publish(envelope("1"), envelope("2"));
      await inbox.received(8);
      for (const id of ["1", "2"]) {
        const crashes = inbox.handovers
          .filter((handover) => handover.id === id)
          .map(({ delivery }) => delivery.crashes);
        assert.deepEqual(crashes, [0, 1, 2, 3]);
      }
    },
  },
  {
    id: "crash-keeps-state",
    name: "a crash keeps the state, and a retry starts the count of crashes again",
    promise: "contract: crashes counts hand-overs since the last retry",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth === 2 || nth === 3 || nth === 5) handover.crash();
        else handover.settle(nth === 6 ? ACK : retry(0, { nth }));
        return handover.settled;
      });
      await instance.publish(envelope("1"));
      await inbox.received(6);
      assert.deepEqual(
        inbox.handovers.map(({ delivery }) => [delivery.state, delivery.crashes]),
        [
          [undefined, 0],
          [{ nth: 1 }, 0],
          [{ nth: 1 }, 1],
          [{ nth: 1 }, 2],
          [{ nth: 4 }, 0],
          [{ nth: 4 }, 1],
        ],
      );
    },
  },
  {
    id: "release",
    name: "what is released comes again, counted as nothing",
    promise: "bus: releases count as nothing",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth === 2) handover.crash();
        else handover.settle(nth === 1 ? retry(0, { nth }) : nth < 6 ? RELEASE : ACK);
        return handover.settled;
      });
      await instance.publish(envelope("1"));
      await inbox.received(6);
      for (const { delivery } of inbox.handovers.slice(2)) {
        assert.deepEqual([delivery.state, delivery.crashes], [{ nth: 1 }, 1]);
      }
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 6);
    },
  },
  {
    id: "release-delay",
    name: "what is released for later comes no earlier than asked",
    promise: "contract: retryDelay, the delayMs of a settlement is honoured",
    when: can("retryDelay"),
    async run(context) {
      const instance = await context.start();
      let settledAt = 0;
      const inbox = await instance.consume(consumer("mail"), (_, nth) => {
        if (nth > 1) return ACK;
        settledAt = performance.now();
        return { type: "release", delayMs: 200 };
      });
      await instance.publish(envelope("1"));
      await inbox.received(2);
      const waitedMs = inbox.last("1").at - settledAt;
      assert.ok(waitedMs >= 200 - CLOCK_SLACK_MS, `it came after ${waitedMs} of 200 ms`);
      assert.equal(inbox.last("1").delivery.crashes, 0);
    },
  },
  {
    id: "dead",
    name: "what is dead becomes a dead letter with its reason and state, and comes no more",
    promise: "guarantee: a dead delivery can be listed, with all its errors",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const state = { runs: 2, errors: [{ message: "🎉" }, { message: "no" }] };
      const sent = envelope("1", { data: { text: "Größe", list: [null, {}] } });
      const inbox = await instance.consume(consumer("mail"), ({ id }, nth) => {
        if (id !== "1") return ACK;
        return nth === 1 ? retry(0, { runs: 1 }) : { type: "dead", reason: "failed ü", state };
      });
      const from = Date.now();
      await instance.publish(sent);
      const [letter] = await instance.hasDead("mail", 1);
      assert.equal(letter?.reason, "failed ü");
      assert.deepEqual(letter.state, state);
      assert.deepEqual(asJson(letter.envelope), asJson(sent));
      assert.ok(letter.diedAt >= from - 1_000 && letter.diedAt <= Date.now() + 1_000);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 2);
    },
  },
  {
    id: "dead-alone",
    name: "what is dead in one subscription lives on in another, and holds up nothing",
    promise: "guarantee: one failing subscription never fails another",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const failing = await instance.consume(consumer("failing", { concurrency: 1 }), ({ id }) =>
        id === "1" ? dead() : ACK,
      );
      const fine = await instance.consume(consumer("fine"));
      await instance.publish(envelope("1"), envelope("2"));
      await fine.has(["1", "2"]);
      await failing.has(["1", "2"]);
      await instance.hasDead("failing", 1);
      assert.deepEqual(await instance.dead("fine"), []);
    },
  },
  {
    id: "each-its-own",
    name: "deliveries that run at the same time are each settled as they were told",
    promise: "contract: a delivery is settled exactly as the bus said",
    when: all(can("retryDelay"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 6 }), "hold");
      await instance.publish(
        ...["ack", "retry", "late", "dead", "release", "crash"].map((id) => envelope(id)),
      );
      await inbox.holds(6);
      inbox.last("crash").crash();
      inbox.last("release").settle(RELEASE);
      inbox.last("dead").settle(dead("mine", { a: 1 }));
      inbox.last("late").settle(retry(60_000, { late: 1 }));
      inbox.last("retry").settle(retry(0, { again: 1 }));
      inbox.last("ack").settle(ACK);
      await inbox.received(9);
      assert.deepEqual(inbox.ids.slice(6).toSorted(), ["crash", "release", "retry"]);
      assert.equal(inbox.last("crash").delivery.crashes, 1);
      assert.deepEqual(inbox.last("retry").delivery.state, { again: 1 });
      assert.equal(inbox.last("release").delivery.crashes, 0);
      const [letter] = await instance.hasDead("mail", 1);
      assert.equal(letter?.envelope.id, "dead");
      await instance.hasStats("mail", { ready: 0, delayed: 1, inFlight: 3, dead: 1 });
    },
  },
]);
