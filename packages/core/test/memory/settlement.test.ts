import { describe, expect, test } from "vitest";
import type { Settlement } from "../../src/contract/provider.ts";
import { idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  DEAD,
  envelope,
  envelopes,
  openRuns,
  retry,
  startProvider,
} from "./harness.ts";

describe("settlement", () => {
  test("a retry comes again after its delay, with its state and no crashes", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail"), runs.deliver);
    await publish(envelope("1"));
    await idle();
    runs.run("1").crash();
    await idle();
    expect(runs.run("1")).toMatchObject({ crashes: 1, state: undefined });
    runs.run("1").settle(retry(500, { failed: 1 }));
    await clock.advance(499);
    expect(runs.inHand).toEqual([]);
    await clock.advance(1);
    expect(runs.run("1")).toMatchObject({ crashes: 0, state: { failed: 1 } });
  });

  test("a retry waits behind what was ready before it", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...envelopes(2));
    await idle();
    runs.run("1").settle(retry(0));
    await idle();
    expect(runs.inHand).toEqual(["2"]);
    runs.run("2").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual(["1"]);
  });

  test("a delivery that ends unsettled comes again at once, and its crashes are counted", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...envelopes(2));
    await idle();
    for (const crashes of [0, 1, 2]) {
      expect(runs.run("1").crashes).toBe(crashes);
      runs.run("1").crash();
      await idle();
    }
    expect(runs.inHand).toEqual(["1"]);
  });

  test("a synchronous throw of deliver is a crash like any other", async () => {
    const { provider, publish } = await startProvider();
    const crashes: number[] = [];
    await provider.consume(consumer("mail"), (delivery) => {
      crashes.push(delivery.crashes);
      if (crashes.length < 3) throw new Error("thrown");
      return Promise.resolve(ACK);
    });
    await publish(envelope("1"));
    await idle();
    expect(crashes).toEqual([0, 1, 2]);
  });

  test("a release is not counted, keeps state and crashes, and goes back to its place", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...envelopes(2));
    await idle();
    runs.run("1").crash();
    await idle();
    runs.run("1").settle({ type: "release" });
    await idle();
    expect(runs.inHand).toEqual(["1"]);
    expect(runs.run("1")).toMatchObject({ crashes: 1, state: undefined });
  });

  test("a release with a delay comes again after it", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail"), runs.deliver);
    await publish(envelope("1"));
    await idle();
    runs.run("1").settle({ type: "release", delayMs: 100 });
    await clock.advance(99);
    expect(runs.inHand).toEqual([]);
    await clock.advance(1);
    expect(runs.inHand).toEqual(["1"]);
  });

  test("what was released with a delay goes before what came meanwhile, a retry behind it", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    const handle = await provider.consume(consumer("mail"), runs.deliver);
    await publish(envelope("released"), envelope("retried"));
    await idle();
    runs.run("released").settle({ type: "release", delayMs: 100 });
    runs.run("retried").settle(retry(100));
    await handle.close({ graceMs: 100 });
    await publish(envelope("new"));
    await clock.advance(100);
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await idle();
    expect(mail.seen).toEqual(["released", "new", "retried"]);
  });

  test("a dead delivery of one subscription leaves those of others alone", async () => {
    const { provider, publish } = await startProvider();
    const stock = acknowledging();
    await provider.consume(consumer("mail"), async (): Promise<Settlement> => DEAD);
    await provider.consume(consumer("stock"), stock.deliver);
    await publish(envelope("1"));
    await idle();
    expect(stock.seen).toEqual(["1"]);
    expect((await provider.admin.listDead("mail", { limit: 10 })).items.length).toBe(1);
    expect((await provider.admin.listDead("stock", { limit: 10 })).items).toEqual([]);
  });
});
