import { describe, expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

const subscriptions = (...argv: string[]) => runCli(["subscriptions", ...argv]);

describe("busbar subscriptions", () => {
  test("lists those of all processes, pauses one in every process and resumes it", async () => {
    const handled: unknown[] = [];
    const bus = await startShop(useShop(), (it) =>
      it.subscribe("order.placed", ({ data }) => void handled.push(data), {
        subscriberId: "send-receipt",
      }),
    );
    bus.subscribe("order.**", () => {}, { subscriberId: "statistics" });
    expect(await subscriptions("pause", "send-recept")).toMatchObject({ code: 3 });
    expect(await subscriptions("pause", "send-receipt")).toMatchObject({ code: 0 });
    await expect
      .poll(async () => (await subscriptions("list")).stdout, { timeout: 10_000 })
      .toMatch(/^send-receipt +paused /m);
    const { stdout } = await subscriptions("list");
    expect(stdout).toMatch(/^statistics +no code here +0 +0 +0 +0 +- +order\.\*\*$/m);
    expect(await subscriptions("resume", "send-receipt")).toMatchObject({ code: 0 });
    await bus.emit("order.placed", 1);
    await expect.poll(() => handled, { timeout: 10_000 }).toEqual([1]);
    expect((await subscriptions("list", "--json")).json()).toMatchObject([
      { subscriberId: "send-receipt", pausedEverywhere: false },
      { subscriberId: "statistics" },
    ]);
  });

  test("shows what waits, empties a queue, and retires a subscription", async () => {
    const bus = await startShop(useShop(), (it) =>
      it.subscribe("order.placed", () => {}, { subscriberId: "send-receipt" }),
    );
    const [eventId] = await bus.emit("order.placed", { orderId: "42" }, { delay: 3_600_000 });
    await bus.emit("order.placed", { orderId: "43" }, { delay: 3_600_000 });
    const waiting = await subscriptions("waiting", "send-receipt", "--event-id", eventId!);
    expect(waiting.stdout).toMatch(/order\.placed +\S+ +delayed +\S+Z .*\{"orderId":"42"\}/);
    expect(await subscriptions("waiting", "send-receipt", "--event-id", "no")).toMatchObject({
      code: 3,
    });
    expect(await subscriptions("drain", "send-receipt")).toMatchObject({ code: 2 });
    const drained = await subscriptions("drain", "send-receipt", "--yes", "--json");
    expect(drained.json()).toMatchObject({ count: 2 });
    expect(await bus.deadLetters.count()).toBe(2);
    await bus.emit("order.placed", { orderId: "44" }, { delay: 3_600_000 });
    const retired = await subscriptions("retire", "send-receipt", "-y", "--backlog", "discard");
    expect(retired.stdout).toBe("Retired. 1 delivery discarded.\n");
    expect(await subscriptions("retire", "send-receipt", "-y")).toMatchObject({ code: 3 });
  });
});

describe("busbar tail", () => {
  test("shows what happens to events in other processes", async () => {
    const bus = await startShop(useShop(), (it) =>
      it.subscribe(
        "order.*",
        ({ name }) => {
          if (name === "order.shipped") throw new Error("The van is gone");
        },
        { subscriberId: "send-receipt" },
      ),
    );
    const ended = new AbortController();
    let [json, text] = ["", ""];
    const tails = [
      runCli(["tail", "--json", "--type", "failed", "dead", "-n", "2"], {
        signal: ended.signal,
        onOutput: (line) => void (json += line),
      }),
      runCli(["tail", "--event", "order.placed"], {
        signal: ended.signal,
        onOutput: (line) => void (text += line),
      }),
    ];
    // Instances look every 5 seconds whether somebody watches.
    await expect
      .poll(
        async () => {
          await bus.emit("order.placed", { orderId: "42" });
          return text;
        },
        { timeout: 9_000, interval: 200 },
      )
      .toMatch(/emitted {4}order\.placed {2}\S+ {2}\{"orderId":"42"\}/);
    await expect.poll(() => text).toMatch(/delivered {2}order\.placed {2}\S+ {2}to send-receipt/);
    await bus.emit("order.shipped", 1);
    expect(await tails[0]).toMatchObject({ code: 0 });
    const lines = json
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { type: "failed", error: { message: "The van is gone" } },
      { type: "dead", subscriberId: "send-receipt" },
    ]);
    expect(text).not.toContain("order.shipped");
    ended.abort();
    expect(await tails[1]).toMatchObject({ code: 0 });
  }, 20_000);
});

describe("busbar events", () => {
  test("explains where an event goes, and who nearly takes it", async () => {
    await startShop(useShop(), (it) =>
      it.subscribe("order.*", () => {}, { subscriberId: "statistics", attempts: 3 }),
    );
    const { code, stdout } = await runCli(["events", "explain", "order.placed"]);
    expect(code).toBe(0);
    expect(stdout).toContain("order.placed is not in the catalogue, and goes to 2 subscriptions.");
    expect(stdout).toMatch(
      /statistics \(no code here\)\n {4}by order\.\*; run by 1 instance; 3 attempts/,
    );
    const near = await runCli(["events", "explain", "ordr.placed"]);
    expect(near.code).toBe(3);
    expect(near.stdout).toContain("Nearly: send-receipt takes order.placed");
  });
});
