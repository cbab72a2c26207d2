import { AsyncLocalStorage } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  DAY_MS,
  envelope,
  envelopes,
  openRuns,
  retry,
  startProvider,
  subscription,
} from "./harness.ts";

describe("delivery", () => {
  test("every subscription gets every event that it wants, in order", async () => {
    const { provider, publish } = await startProvider();
    const [mail, stock, audit] = [acknowledging(), acknowledging(), acknowledging()];
    await provider.consume(consumer("mail"), mail.deliver);
    await provider.consume(consumer("stock", { events: ["order.*"] }), stock.deliver);
    await provider.consume(consumer("audit", { events: ["*"] }), audit.deliver);
    const results = await publish(
      envelope("1"),
      envelope("2", { name: "order.paid" }),
      envelope("3", { name: "cart.emptied" }),
      envelope("4"),
    );
    await idle();
    expect(results.map((it) => "subscriptions" in it && it.subscriptions)).toEqual([3, 2, 1, 3]);
    expect(mail.seen).toEqual(["1", "4"]);
    expect(stock.seen).toEqual(["1", "2", "4"]);
    expect(audit.seen).toEqual(["1", "2", "3", "4"]);
  });

  test("an event that nobody wants is accepted for 0 subscriptions", async () => {
    const { publish } = await startProvider();
    expect(await publish(envelope("1"))).toEqual([{ status: "accepted", subscriptions: 0 }]);
  });

  test("what is published before a consumer comes waits for it", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(...envelopes(3));
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await idle();
    expect(mail.seen).toEqual(["1", "2", "3"]);
  });

  test("publish returns before any handler runs", async () => {
    const { provider, publish } = await startProvider();
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    const published = publish(envelope("1"));
    expect(mail.seen).toEqual([]);
    await published;
    await idle();
    expect(mail.seen).toEqual(["1"]);
  });

  test("the most urgent go first, and those of one priority in order", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(
      envelope("low 1", { priority: 1_000 }),
      envelope("normal 1"),
      envelope("high 1", { priority: 10 }),
      envelope("normal 2", { priority: 100 }),
      envelope("low 2", { priority: 1_000 }),
      envelope("high 2", { priority: 10 }),
      envelope("normal 3"),
    );
    const mail = acknowledging();
    await provider.consume(consumer("mail", { concurrency: 1 }), mail.deliver);
    await idle();
    expect(mail.seen).toEqual([
      "high 1",
      "high 2",
      "normal 1",
      "normal 2",
      "normal 3",
      "low 1",
      "low 2",
    ]);
  });

  test("runs as many at the same time as concurrency says, and no more", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 2 }), runs.deliver);
    await publish(...envelopes(4));
    await idle();
    expect(runs.inHand).toEqual(["1", "2"]);
    runs.run("2").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual(["1", "3"]);
  });

  test("consumers of one subscription take turns, and each delivery goes to one of them", async () => {
    const { provider, publish } = await startProvider();
    const [first, second] = [acknowledging(), acknowledging()];
    await provider.consume(consumer("mail"), first.deliver);
    await provider.consume(consumer("mail"), second.deliver);
    await publish(...envelopes(6));
    await idle();
    expect(first.seen).toEqual(["1", "3", "5"]);
    expect(second.seen).toEqual(["2", "4", "6"]);
  });

  test("a consumer whose slots are taken leaves deliveries to the other", async () => {
    const { provider, publish } = await startProvider();
    const [stuck, free] = [openRuns(), acknowledging()];
    await provider.consume(consumer("mail", { concurrency: 1 }), stuck.deliver);
    await provider.consume(consumer("mail", { concurrency: 1 }), free.deliver);
    await publish(...envelopes(5));
    await idle();
    expect(stuck.inHand).toEqual(["1"]);
    expect(free.seen).toEqual(["2", "3", "4", "5"]);
  });

  test("a subscription whose handler hangs does not keep others waiting", async () => {
    const { provider, publish } = await startProvider();
    const [stuck, free] = [openRuns(), acknowledging()];
    await provider.consume(consumer("mail", { concurrency: 1 }), stuck.deliver);
    await provider.consume(consumer("stock"), free.deliver);
    await publish(...envelopes(50));
    await idle();
    expect(free.seen.length).toBe(50);
  });

  test("two providers in one process share nothing", async () => {
    const [one, other] = [await startProvider(), await startProvider()];
    const mail = acknowledging();
    await other.provider.consume(consumer("mail"), mail.deliver);
    await one.publish(envelope("1"));
    await idle();
    expect(mail.seen).toEqual([]);
  });

  test("a channel may repeat and hold back what it carries", async () => {
    const channel = new EventEmitter();
    const carry = channel.emit.bind(channel);
    const held: (() => void)[] = [];
    channel.emit = (id: string, event: unknown) => {
      held.push(() => void carry(id, event));
      return carry(id, event);
    };
    const { provider, publish } = await startProvider({ channel });
    const runs = openRuns();
    await provider.consume(consumer("mail"), runs.deliver);
    await publish(envelope("1"));
    await idle();
    runs.run("1").settle(retry(0, { failed: 1 }));
    for (const carryAgain of held) carryAgain();
    await idle();
    expect(runs.inHand).toEqual(["1", "1"]);
    expect(await provider.admin.stats()).toMatchObject([{ inFlight: 2 }]);
  });

  test("a handler does not find the emitter's AsyncLocalStorage", async () => {
    const { provider, publish, clock } = await startProvider();
    const request = new AsyncLocalStorage<string>();
    const found: unknown[] = [];
    await provider.consume(consumer("mail", { concurrency: 1 }), async () => {
      found.push(request.getStore());
      return ACK;
    });
    await request.run("checkout", () => publish(...envelopes(2)));
    await request.run("checkout", () => publish(envelope("3", { delayMs: 1 })));
    await clock.advance(1);
    expect(found).toEqual([undefined, undefined, undefined]);
  });

  test("a timer fires while a large backlog is delivered", async () => {
    const { provider } = await startProvider();
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await provider.publish(envelopes(100_000), { deadline: Infinity, inHandler: false });
    const seenByTimer = await new Promise<number>((resolve) => {
      setTimeout(() => resolve(mail.seen.length), 0);
    });
    expect(seenByTimer).toBeLessThan(50_000);
    while (mail.seen.length < 100_000) await idle();
  });
});

describe("delay", () => {
  test("an event is not delivered before its time", async () => {
    const { provider, clock, publish } = await startProvider();
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await publish(
      envelope("in 30 days", { delayMs: 30 * DAY_MS }),
      envelope("later", { delayMs: 200 }),
      envelope("sooner", { delayMs: 100 }),
      envelope("past", { delayMs: -1 }),
    );
    await clock.advance(99);
    expect(mail.seen).toEqual(["past"]);
    await clock.advance(101);
    expect(mail.seen).toEqual(["past", "sooner", "later"]);
    await clock.advance(30 * DAY_MS - 201);
    expect(mail.seen).toEqual(["past", "sooner", "later"]);
    await clock.advance(1);
    expect(mail.seen.at(-1)).toBe("in 30 days");
  });

  test("one timer, which keeps the process alive, waits for the next of many", async () => {
    const { provider, clock, publish } = await startProvider();
    await provider.consume(consumer("mail"), acknowledging().deliver);
    for (const ms of [300, 100, 200]) await publish(envelope("1", { delayMs: ms }));
    expect(clock.pendingTimers({ keepAlive: true })).toBe(1);
    await clock.advance(300);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("those that fall due together go by priority", async () => {
    const { provider, clock, publish } = await startProvider();
    const mail = acknowledging();
    await provider.consume(consumer("mail", { concurrency: 1 }), mail.deliver);
    const delayMs = 100;
    await publish(envelope("normal", { delayMs }), envelope("high", { delayMs, priority: 1 }));
    await clock.advance(100);
    expect(mail.seen).toEqual(["high", "normal"]);
  });
});
