import assert from "node:assert/strict";
import {
  ACK,
  asJson,
  consumer,
  dead,
  envelope,
  envelopes,
  retry,
  subscription,
} from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, findsDead, has } from "../requirements.ts";

const ADMIN = "contract: ProviderAdmin";

export const admin: readonly ConformanceCase[] = defineCases("admin", [
  {
    id: "stats",
    name: "stats count what is ready, delayed, in flight and dead",
    promise: "contract: SubscriptionStats",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const { delay, retryDelay } = context.capabilities;
      const delayed = [delay, retryDelay].filter(Boolean).length;
      const instance = await context.start();
      await instance.declare(subscription("idle"));
      const inbox = await instance.consume(
        consumer("mail", { concurrency: 2 }),
        async (handover) => {
          if (handover.id === "dead") return dead();
          return handover.id === "retry" ? retry(60_000) : handover.settled;
        },
      );
      const publishedAt = Date.now() - 5_000;
      const metadata = { created_at: publishedAt, published_at: publishedAt, correlationId: "1" };
      await instance.publish(
        envelope("dead"),
        ...(retryDelay ? [envelope("retry")] : []),
        ...(delay ? [envelope("delayed", { delayMs: 60_000 })] : []),
      );
      await instance.hasStats("mail", { dead: 1, delayed, inFlight: 0, ready: 0 });
      await instance.publish(...["a", "b"].map((id) => envelope(id)));
      await inbox.holds(2);
      await instance.publish(envelope("oldest", { metadata }), envelope("c"), envelope("d"));
      await instance.hasStats("mail", { ready: 3, delayed, inFlight: 2, dead: 1 });
      if (context.numbers.areExact)
        assert.equal((await instance.stats("mail")).oldestAt, publishedAt);
      const idle = { ready: retryDelay ? 7 : 6, delayed: delay ? 1 : 0, inFlight: 0, dead: 0 };
      await instance.showsStats("idle", idle);
      for (const id of ["a", "b"]) inbox.last(id).settle(ACK);
      for (const id of ["oldest", "c", "d"]) {
        await inbox.has([id]);
        inbox.last(id).settle(ACK);
      }
      await instance.hasStats("mail", { ready: 0, delayed, inFlight: 0, dead: 1 });
    },
  },
  {
    id: "paging",
    name: "dead letters are listed the oldest first, page by page, each once",
    promise: ADMIN,
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail", { concurrency: 1 }), () => dead());
      const ids = envelopes(25).map(({ id }) => id);
      for (const it of envelopes(25)) await instance.publish(it);
      await instance.hasDead("mail", 25);
      const listed: string[] = [];
      const sizes: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await instance.admin.listDead("mail", { limit: 10, cursor });
        listed.push(...page.items.map((letter) => letter.envelope.id));
        sizes.push(page.items.length);
        cursor = page.cursor;
      } while (cursor !== undefined && sizes.length < 10);
      assert.deepEqual(
        sizes.filter((size) => size > 0),
        [10, 10, 5],
      );
      assert.deepEqual(listed, ids);
      assert.deepEqual(await instance.admin.listDead("unknown", { limit: 10 }), { items: [] });
    },
  },
  {
    id: "paging-while-emptied",
    name: "a page may be discarded before the next is asked for",
    promise: ADMIN,
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail"), () => dead());
      await instance.publish(...envelopes(12));
      await instance.hasDead("mail", 12);
      const seen = new Set<string>();
      let cursor: string | undefined;
      do {
        const page = await instance.admin.listDead("mail", { limit: 5, cursor });
        for (const letter of page.items) seen.add(letter.envelope.id);
        await instance.admin.discardDead(
          "mail",
          page.items.map(({ id }) => id),
        );
        cursor = page.cursor;
      } while (cursor !== undefined);
      assert.equal(seen.size, 12);
      assert.deepEqual(await instance.dead("mail"), []);
    },
  },
  {
    id: "replay",
    name: "a replay delivers again to that subscription only, as if for the first time",
    promise: "contract: replayDead moves each back with no state and no crashes",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth === 2) handover.crash();
        else handover.settle(nth === 1 ? retry(0, { nth }) : nth === 3 ? dead() : ACK);
        return handover.settled;
      });
      const stock = await instance.consume(consumer("stock"));
      await instance.publish(...envelopes(3));
      const letters = await instance.hasDead("mail", 3);
      await stock.received(3);
      const [first, second] = letters;
      const ids = [first?.id ?? "", "no-such-letter", second?.id ?? ""];
      assert.equal(await instance.admin.replayDead("mail", ids), 2);
      await mail.received(11);
      for (const { delivery } of mail.handovers.slice(9)) {
        assert.deepEqual([delivery.state, delivery.crashes], [undefined, 0]);
      }
      await instance.hasDead("mail", 1);
      await instance.silence();
      assert.equal(stock.ids.length, 3, "nobody else gets it again");
      assert.equal(await instance.admin.replayDead("mail", ids), 0, "they are no dead letters now");
    },
  },
  {
    id: "replay-dies-again",
    name: "what dies again after a replay is a dead letter again",
    promise: "guarantee: nothing is lost silently",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (_, nth) => dead(`death ${nth}`));
      await instance.publish(envelope("1"));
      for (let deaths = 1; deaths <= 3; deaths++) {
        await inbox.received(deaths);
        const [letter] = await instance.hasDead("mail", 1);
        assert.equal(letter?.reason, `death ${deaths}`);
        if (deaths < 3) await instance.admin.replayDead("mail", [letter.id]);
      }
    },
  },
  {
    id: "get",
    name: "dead letters are found by their ids, each as it is listed",
    promise: "contract: ProviderAdmin.getDead",
    when: all(has("admin"), findsDead),
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail", { concurrency: 1 }), () => dead());
      await instance.publish(...envelopes(5));
      const letters = await instance.hasDead("mail", 5);
      const [first, , third, fourth] = letters;
      await instance.admin.discardDead("mail", [third?.id ?? ""]);
      const ids = [fourth, third, first].map((letter) => letter?.id ?? "");
      const found = await instance.admin.getDead?.("mail", [...ids, "no-such-letter"]);
      const byId = new Map(found?.map((letter) => [letter.id, letter]));
      assert.deepEqual(byId.size, 2, "those that there are, and no others");
      for (const letter of [first, fourth]) assert.deepEqual(byId.get(letter?.id ?? ""), letter);
      assert.deepEqual(await instance.admin.getDead?.("unknown", ids), []);
    },
  },
  {
    id: "replay-other-data",
    name: "a replay with other data delivers these instead, and changes nothing else",
    promise: "contract: replayDead with data",
    when: all(has("admin"), findsDead),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"), (_, nth) => (nth === 1 ? dead() : ACK));
      const metadata = { created_at: 1, published_at: 2, correlationId: "3", tenant: { id: 4 } };
      const sent = envelope("1", { data: { email: "ada@example.org" }, metadata });
      await instance.publish(sent);
      const [letter] = await instance.hasDead("mail", 1);
      const data = { email: "ada@example.com", lines: [{ sku: "A", ключ: null }] };
      const ids = [letter?.id ?? ""];
      assert.equal(await instance.admin.replayDead("mail", ids, { data }), 1);
      await mail.received(2);
      const { delivery } = mail.last("1");
      assert.deepEqual(asJson(delivery.envelope), asJson({ ...letter?.envelope, data }));
      assert.deepEqual([delivery.state, delivery.crashes], [undefined, 0]);
      await instance.hasDead("mail", 0);
      assert.equal(await instance.admin.replayDead("mail", ids, { data }), 0);
    },
  },
  {
    id: "discard",
    name: "discarding deletes those that are named, and says how many there were",
    promise: ADMIN,
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), () => dead());
      await instance.publish(...envelopes(3));
      const [first, second, third] = await instance.hasDead("mail", 3);
      const ids = [first?.id ?? "", third?.id ?? "", "no-such-letter"];
      assert.equal(await instance.admin.discardDead("mail", ids), 2);
      assert.deepEqual(
        (await instance.dead("mail")).map(({ id }) => id),
        [second?.id],
      );
      assert.equal(await instance.admin.discardDead("mail", ids), 0);
      assert.equal(await instance.admin.discardDead("unknown", ids), 0);
      assert.equal(await instance.admin.replayDead("unknown", ids), 0);
      await instance.silence();
      assert.equal(inbox.ids.length, 3);
    },
  },
  {
    id: "same-event-twice",
    name: "an event that dies twice has two dead letters, each with an id of its own",
    promise: "contract: DeadDelivery.id is unique in its subscription",
    when: has("admin"),
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail"), () => dead());
      await instance.publish(envelope("1"), envelope("1"));
      const letters = await instance.hasDead("mail", 2);
      assert.equal(new Set(letters.map(({ id }) => id)).size, 2);
      assert.equal(await instance.admin.discardDead("mail", [letters[0]?.id ?? ""]), 1);
      await instance.hasDead("mail", 1);
    },
  },
  {
    id: "bound-by-number",
    name: "beyond their number the oldest dead letters are dropped, and that is reported",
    promise: "guarantee: dead letters are bounded; what is dropped is counted",
    when: has("admin"),
    async run(context) {
      const deadLetters = { maxPerSubscription: 5, maxAgeMs: 86_400_000 };
      const instance = await context.start({ deadLetters });
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), () => dead());
      for (const it of envelopes(8)) await instance.publish(it);
      await inbox.received(8);
      await instance.hasStats("mail", { inFlight: 0, ready: 0, dead: 5 });
      const ids = (await instance.dead("mail")).map((letter) => letter.envelope.id);
      assert.deepEqual(
        ids,
        envelopes(8)
          .slice(3)
          .map(({ id }) => id),
      );
      await context.waiting.until("3 dead letters reported as dropped", () => {
        const dropped = instance.reports.map((report) =>
          report.type === "dead-letters-dropped" && report.subscriptionId === "mail"
            ? report.count
            : 0,
        );
        return dropped.reduce((sum, count) => sum + count, 0) === 3;
      });
    },
  },
  {
    id: "bound-by-age",
    name: "beyond their age dead letters are dropped, and that is reported",
    promise: "guarantee: dead letters are bounded; what is dropped is counted",
    when: has("admin"),
    async run(context) {
      const deadLetters = { maxPerSubscription: 100, maxAgeMs: 300 };
      const instance = await context.start({ deadLetters });
      await instance.consume(consumer("mail"), () => dead());
      await instance.publish(...envelopes(2));
      await context.waiting.eventually("two dead letters to be reported as dropped", async () => {
        await instance.dead("mail");
        const dropped = instance.reports.map((report) =>
          report.type === "dead-letters-dropped" ? report.count : 0,
        );
        return dropped.reduce((sum, count) => sum + count, 0) === 2;
      });
      assert.deepEqual(await instance.dead("mail"), []);
    },
  },
]);
