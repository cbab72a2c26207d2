import assert from "node:assert/strict";
import type {
  InstanceBoard,
  JsonObject,
  ProviderAdmin,
  WaitingDelivery,
} from "@busbar/core/provider";
import { consumer, envelope, envelopes, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Instance } from "../instance.ts";
import { all, can, drains, has, listsWaiting, pausesEverywhere } from "../requirements.ts";

const BOARD = "contract: InstanceBoard";
const WAITING = "contract: ProviderAdmin.listWaiting";

/** What `listWaiting` takes. */
type Page = Parameters<NonNullable<ProviderAdmin["listWaiting"]>>[1];

export const operate: readonly ConformanceCase[] = defineCases("operate", [
  {
    id: "reports",
    name: "every instance lists what each has written on the board last, until that is removed",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [boardOf(instance), boardOf(await context.peerOf(instance))];
      assert.deepEqual(await one.list(), []);
      const report = { host: "a", nested: { list: [1, null, "ключ"], none: [] }, at: 1.5 };
      await one.post("one", { host: "old" }, { ttlMs: context.ms(60_000) });
      await one.post("one", report, { ttlMs: context.ms(60_000) });
      await other.post("two", { host: "b" }, { ttlMs: context.ms(60_000) });
      const listed = [...(await other.list())].toSorted((a, b) =>
        a.instanceId < b.instanceId ? -1 : 1,
      );
      assert.deepEqual(
        listed.map(({ instanceId, report: written }) => [instanceId, written]),
        [
          ["one", report],
          ["two", { host: "b" }],
        ],
      );
      const now = (await instance.provider.serverTime?.()) ?? Date.now();
      for (const { writtenAt } of listed) assert.ok(Math.abs(now - writtenAt) < context.ms(10_000));
      await one.remove("one");
      await one.remove("unknown");
      assert.deepEqual(
        (await other.list()).map(({ instanceId }) => instanceId),
        ["two"],
      );
    },
  },
  {
    id: "reports-expire",
    name: "a report that is not written again is listed no more",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const board = boardOf(await context.start());
      await board.post("kept", {}, { ttlMs: context.ms(60_000) });
      await board.post("gone", {}, { ttlMs: 50 });
      await context.waiting.eventually(
        () => "the report that expires is gone, and the other is not",
        async () => (await board.list()).map(({ instanceId }) => instanceId).join() === "kept",
      );
    },
  },
  {
    id: "watched",
    name: "a post says whether anyone watches, until the time for that has passed",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [boardOf(instance), boardOf(await context.peerOf(instance))];
      const isWatched = async (): Promise<boolean> =>
        (await one.post("one", {}, { ttlMs: context.ms(60_000) })).watched;
      assert.equal(await isWatched(), false);
      await other.watch({ ttlMs: context.ms(60_000) });
      assert.equal(await isWatched(), true);
      // A second one that watches for less long does not end it for the first.
      await one.watch({ ttlMs: 1 });
      await instance.silence();
      assert.equal(await isWatched(), true);
    },
  },
  {
    id: "watched-ends",
    name: "nobody watches any more once the time for that has passed",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const board = boardOf(await context.start());
      await board.watch({ ttlMs: 50 });
      await context.waiting.eventually(
        () => "a post that is not watched",
        async () => !(await board.post("one", {}, { ttlMs: context.ms(60_000) })).watched,
      );
    },
  },
  {
    id: "feed",
    name: "a reader of the feed gets what came after it had begun, in order and once",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [boardOf(instance), boardOf(await context.peerOf(instance))];
      await one.show([{ n: "before" }], { keep: 100 });
      let { entries, cursor } = await other.read(undefined, { limit: 10 });
      assert.deepEqual(entries, []);
      await one.show(entriesOf(0, 5), { keep: 100 });
      await other.show(entriesOf(5, 8), { keep: 100 });
      const seen: JsonObject[] = [];
      for (let reads = 0; reads < 5; reads += 1) {
        ({ entries, cursor } = await other.read(cursor, { limit: 3 }));
        assert.ok(entries.length <= 3, "no more than asked for");
        seen.push(...entries);
      }
      assert.deepEqual(seen, entriesOf(0, 8));
    },
  },
  {
    id: "feed-bound",
    name: "the feed keeps the last entries, and a reader that is too late begins with the oldest of them",
    promise: BOARD,
    when: has("board"),
    async run(context) {
      const board = boardOf(await context.start());
      const { cursor } = await board.read(undefined, { limit: 100 });
      for (let from = 0; from < 30; from += 10) {
        await board.show(entriesOf(from, from + 10), { keep: 15 });
      }
      const { entries } = await board.read(cursor, { limit: 100 });
      assert.deepEqual(entries, entriesOf(15, 30));
      const unknown = await board.read("of another board", { limit: 100 });
      assert.deepEqual(unknown.entries, entriesOf(15, 30));
    },
  },
  {
    id: "pause",
    name: "that a subscription is paused is listed everywhere, until it is resumed or retired",
    promise: "contract: SubscriptionRegistry.setPaused",
    when: all(has("subscriptions"), pausesEverywhere),
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const stock = subscription("stock", { events: ["paid", "sent"] });
      await instance.declare(subscription("mail"), stock);
      const paused = async (): Promise<readonly string[]> =>
        (await peer.registry.list()).filter((it) => it.paused).map((it) => it.subscriptionId);
      assert.deepEqual(await paused(), []);
      await instance.registry.setPaused?.("mail", true);
      await instance.registry.setPaused?.("unknown", true);
      assert.deepEqual(await paused(), ["mail"]);
      await peer.declare(subscription("mail"));
      assert.deepEqual(await paused(), ["mail"], "a declaration does not resume");
      await peer.declare(subscription("post", { aliases: ["mail"] }));
      assert.deepEqual(await paused(), ["post"], "a new id does not resume");
      await peer.registry.setPaused?.("post", false);
      assert.deepEqual(await paused(), []);
      await peer.registry.setPaused?.("stock", true);
      await instance.registry.retire("stock", { events: ["paid"], backlog: "keep" });
      assert.deepEqual(await paused(), ["stock"], "the end of one event does not resume");
      await instance.registry.retire("stock", { events: ["sent"], backlog: "keep" });
      await instance.declare(stock);
      assert.deepEqual(await paused(), [], "the end of all events forgets it");
      await peer.registry.setPaused?.("stock", true);
      await instance.registry.retire("stock", { backlog: "discard" });
      await instance.declare(stock);
      assert.deepEqual(await paused(), [], "a retirement forgets it");
    },
  },
  {
    id: "waiting",
    name: "what waits is listed page by page, each delivery once, as it was published",
    promise: WAITING,
    when: all(has("subscriptions"), has("admin"), listsWaiting),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      const sent = envelopes(25);
      await instance.publish(...sent);
      const waiting = await allWaiting(instance, { limit: 10 });
      assert.deepEqual(
        waiting.map((it) => it.envelope.id).toSorted(),
        sent.map(({ id }) => id).toSorted(),
      );
      assert.equal(new Set(waiting.map(({ id }) => id)).size, 25, "ids are unique");
      assert.ok(waiting.every(({ state }) => state === "ready"));
      const [first] = sent;
      const found = await allWaiting(instance, { limit: 10, eventId: first?.id });
      assert.deepEqual(
        found.map((it) => [it.envelope.id, it.envelope.data]),
        [[first?.id, first?.data]],
      );
      assert.deepEqual(await allWaiting(instance, { limit: 10, eventId: "no such event" }), []);
      assert.deepEqual(await instance.admin.listWaiting?.("unknown", { limit: 1 }), { items: [] });
      const mail = await instance.consume(consumer("mail"));
      await mail.received(25);
      await context.waiting.eventually(
        () => "nothing waits once it has been delivered",
        async () => (await allWaiting(instance, { limit: 10 })).length === 0,
      );
    },
  },
  {
    id: "waiting-delayed",
    name: "what waits for its time is listed last, with that time",
    promise: WAITING,
    when: all(has("subscriptions"), has("admin"), listsWaiting, can("delay")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const delayMs = context.ms(60_000);
      await instance.publish(envelope("late", { delayMs }));
      await instance.publish(envelope("now"));
      const waiting = await allWaiting(instance, { limit: 10 });
      assert.deepEqual(
        waiting.map((it) => [it.envelope.id, it.state]),
        [
          ["now", "ready"],
          ["late", "delayed"],
        ],
      );
      const now = (await instance.provider.serverTime?.()) ?? Date.now();
      const aheadMs = (waiting[1]?.dueAt ?? 0) - now;
      assert.ok(aheadMs > 0 && aheadMs <= delayMs + 1_000, `it is due in ${aheadMs} ms`);
    },
  },
  {
    id: "drain",
    name: "drained deliveries are dead with the reason drained, and the subscription goes on",
    promise: "contract: ProviderAdmin.drain",
    when: all(has("subscriptions"), has("admin"), drains),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      await instance.publish(...envelopes(7));
      assert.equal(await instance.admin.drain?.("mail", { backlog: "dead-letter" }), 7);
      const letters = await instance.hasDead("mail", 7);
      assert.ok(letters.every(({ reason }) => reason === "drained"));
      await instance.hasStats("stock", { ready: 7 });
      const mail = await instance.consume(consumer("mail"));
      await instance.nothingMore(mail);
      assert.equal(mail.ids.length, 1, "the marker only");
    },
  },
  {
    id: "drain-bound",
    name: "a drain drops no dead letter to make room: what is beyond the bound goes on waiting",
    promise: "contract: ProviderAdmin.drain",
    when: all(has("subscriptions"), has("admin"), drains),
    async run(context) {
      const deadLetters = { maxPerSubscription: 5, maxAgeMs: 86_400_000 };
      const instance = await context.start({ deadLetters });
      await instance.declare(subscription("mail"));
      for (const it of envelopes(8)) await instance.publish(it);
      assert.equal(await instance.admin.drain?.("mail", { backlog: "dead-letter" }), 5);
      const letters = await instance.dead("mail");
      assert.equal(letters.length, 5);
      assert.ok(!instance.reports.some(({ type }) => type === "dead-letters-dropped"));
      await instance.admin.discardDead("mail", [letters[0]?.id ?? ""]);
      assert.equal(await instance.admin.drain?.("mail", { backlog: "dead-letter" }), 1);
      const mail = await instance.consume(consumer("mail"));
      await mail.received(2);
      await instance.nothingMore(mail);
      assert.equal(mail.ids.length, 3, "what was left, and the marker");
    },
  },
  {
    id: "drain-in-flight",
    name: "a drain leaves what is in flight alone, and deletes what it is to discard",
    promise: "contract: ProviderAdmin.drain",
    when: all(has("subscriptions"), has("admin"), drains),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(envelope("running"));
      await mail.holds(1);
      await instance.publish(...envelopes(3));
      assert.equal(await instance.admin.drain?.("mail", { backlog: "discard" }), 3);
      mail.settleAll();
      await instance.nothingMore(mail);
      mail.settleAll();
      assert.equal(mail.ids.length, 2, "what was running, and the marker");
      assert.deepEqual(await instance.dead("mail"), []);
      assert.equal(await instance.admin.drain?.("unknown", { backlog: "discard" }), 0);
    },
  },
]);

function boardOf({ provider }: Instance): InstanceBoard {
  assert.ok(provider.board, "the provider has a board");
  return provider.board;
}

function entriesOf(from: number, to: number): { readonly n: number }[] {
  return Array.from({ length: to - from }, (_, index) => ({ n: from + index }));
}

/** All pages of what waits in "mail". */
async function allWaiting(
  { admin }: Instance,
  { limit, eventId }: Omit<Page, "cursor">,
): Promise<readonly WaitingDelivery[]> {
  const found: WaitingDelivery[] = [];
  let cursor: string | undefined;
  do {
    const page = await admin.listWaiting?.("mail", { limit, cursor, eventId });
    assert.ok(page && page.items.length <= limit, "a page of no more than asked for");
    found.push(...page.items);
    assert.ok(found.length <= 1_000, "every delivery is on one page");
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}
