import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

describe("subscribe while the bus runs", () => {
  test("is effective for the very next emit", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    for (let round = 0; round < 50; round++) {
      bus.subscribe(`event.${round}`, ({ data }) => void seen.push(data), {
        subscriberId: `mail ${round}`,
      });
      await bus.emit(`event.${round}`, round);
    }
    await bus.settled();
    expect(seen).toEqual(Array.from({ length: 50 }, (_, round) => round));
  });

  test("does not deliver what was emitted before", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    await bus.emit("a", "before");
    bus.subscribe("a", ({ data }) => void seen.push(data));
    await bus.emit("a", "after");
    await bus.settled();
    expect(seen).toEqual(["after"]);
  });

  test("adds an event to a subscription that is there", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const context = { subscriberId: "mail" };
    bus.subscribe("a", ({ name }) => void seen.push(name), context);
    await bus.emit("a", 1);
    bus.subscribe("b", ({ name }) => void seen.push(name), context);
    await bus.emit("b", 1);
    await bus.settled();
    expect(seen).toEqual(["a", "b"]);
  });

  test("leaves one consumer, also when the provider could not open the new one at first", async () => {
    const inner = memoryProvider();
    let [opened, closed, fails] = [0, 0, false];
    // Without a list, a provider learns of new events by a new consumer.
    const provider = providerLike(inner, {
      subscriptions: undefined,
      consume: async (spec, deliver) => {
        if (fails) throw new Error("not now");
        opened += 1;
        const handle = await inner.consume(spec, deliver);
        return {
          close: async (options) => {
            closed += 1;
            await handle.close(options);
          },
        };
      },
    });
    const { bus, clock } = await startTestBus({ provider });
    const context = { subscriberId: "mail" };
    bus.subscribe("a", () => {}, context);
    await bus.emit("a", 1);
    fails = true;
    bus.subscribe("b", () => {}, context);
    await idle();
    fails = false;
    await clock.advance(5_000);
    expect({ opened, closed }).toEqual({ opened: 2, closed: 1 });
  });

  test("inside a handler is effective for what the handler emits next", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      async () => {
        bus.subscribe("b", ({ data }) => void seen.push(data), { subscriberId: "late" });
        await bus.emit("b", 1);
      },
      { subscriberId: "mail", concurrency: 1 },
    );
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([1]);
  });

  test("inside a handler to the event that it handles does not run for that event", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe<number>("a", ({ data }) => {
      if (data === 1) bus.subscribe("a", () => void seen.push(`late ${data}`));
      seen.push(`first ${data}`);
    });
    await bus.emit("a", 1);
    await bus.settled();
    await bus.emit("a", 2);
    await bus.settled();
    expect(seen).toEqual(["first 1", "first 2", "late 1"]);
  });
});

describe("unsubscribe while the bus runs", () => {
  test("is effective for the very next emit", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const handler = ({ data }: { readonly data: unknown }) => void seen.push(data);
    bus.subscribe("a", handler);
    await bus.emit("a", 1);
    await bus.settled();
    bus.unsubscribe("a", handler);
    await bus.emit("a", 2);
    await bus.settled();
    expect(seen).toEqual([1]);
    expect((await bus.inspect()).counters.unrouted).toBe(1);
  });

  test("lets the run in flight finish, and acknowledges it", async () => {
    const { bus } = await startTestBus();
    const [started, finish] = [createGate(), createGate()];
    const context = { subscriberId: "mail", concurrency: 1 };
    bus.subscribe(
      "a",
      async () => {
        started.open();
        await finish.opened;
      },
      context,
    );
    await bus.emit("a", 1);
    await started.opened;
    bus.unsubscribe("a", () => {}, context);
    finish.open();
    await bus.settled();
    expect((await bus.inspect()).counters.acknowledged).toBe(1);
    expect((await bus.inspect()).subscriptions).toEqual([]);
  });

  test("keeps what waits for a subscriber that comes back under the same id", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const [started, finish] = [createGate(), createGate()];
    const context = { subscriberId: "mail", concurrency: 1 };
    bus.subscribe(
      "a",
      async ({ data }) => {
        started.open();
        await finish.opened;
        seen.push(data);
      },
      context,
    );
    await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
    await started.opened;
    bus.unsubscribe("a", () => {}, context);
    finish.open();
    await bus.emit("a", "while nobody is there");
    expect(await bus.inspect()).toMatchObject({
      subscriptions: [{ subscriberId: "mail", here: false, ready: 2 }],
    });
    bus.subscribe("a", ({ data }) => void seen.push(`back: ${String(data)}`), context);
    await bus.emit("a", 5);
    await bus.settled();
    expect(seen).toEqual([1, "back: 2", "back: 3", "back: 5"]);
  });

  test("of one event of two delivers the other, and keeps what waits of the one", async () => {
    const { bus, clock } = await startTestBus();
    const seen: string[] = [];
    const context = { subscriberId: "mail" };
    const handler = ({ name }: { readonly name: string }) => void seen.push(name);
    bus.subscribe(["a", "b"], handler, context);
    await bus.pause("mail");
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b", data: 1 },
    ]);
    bus.unsubscribe("a", handler);
    await bus.resume("mail");
    await clock.advance(5000);
    expect(seen).toEqual(["b"]);
    bus.subscribe("a", handler, context);
    await clock.advance(5000);
    expect(seen).toEqual(["b", "a"]);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 2, failed: 0 });
  });

  test("inside its own handler ends the subscription with that run", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const once = async ({ data }: { readonly data: unknown }) => {
      bus.unsubscribe("a", once);
      seen.push(data);
      await bus.emit("b", 1);
    };
    bus.subscribe("a", once, { subscriberId: "once" });
    bus.subscribe("b", ({ name }) => void seen.push(name));
    await bus.emit("a", 1);
    await bus.settled();
    await bus.emit("a", 2);
    await bus.settled();
    expect(seen).toEqual([1, "b"]);
  });

  test("and subscribe in turn, many times over, loses nothing and doubles nothing", async () => {
    const { bus } = await startTestBus();
    const seen: number[] = [];
    const context = { subscriberId: "mail" };
    for (let data = 0; data < 30; data++) {
      const handler = () => void seen.push(data);
      bus.subscribe("a", handler, context);
      await bus.emit("a", data);
      await bus.settled();
      bus.unsubscribe("a", handler);
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, data) => data));
  });
});
