import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, onTestFinished, test } from "vitest";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { memoryProvider } from "../support/test-bus.ts";

const user = new AsyncLocalStorage<string>();

/** A bus that ann has started, and what subscribers have found of her and others. */
async function startedByAnn(provider = memoryProvider()) {
  const bus = createEventBus({ provider });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  const found: [of: unknown, store: string | undefined][] = [];
  const look = ({ data }: { readonly data: unknown }): void => {
    found.push([data, user.getStore()]);
  };
  return { bus, found, look, start: () => user.run("ann", () => bus.start()) };
}

function emitByAll(bus: EventBus, name: string, options = {}): Promise<unknown> {
  const users = ["ann", "bob", "cid"];
  return Promise.all(users.map((of) => user.run(of, () => bus.emit(name, of, options))));
}

describe("a subscriber finds the async context of nobody", () => {
  test("whoever has started the bus, subscribed and emitted", async () => {
    const { bus, found, look, start } = await startedByAnn();
    bus.subscribe("a", look, { subscriberId: "early" });
    bus.subscribe("a", look, { subscriberId: "slow", concurrency: 1 });
    await start();
    user.run("ann", () => bus.subscribe("a", look, { subscriberId: "late" }));
    await emitByAll(bus, "a");
    await emitByAll(bus, "a", { delay: 5 });
    await bus.settled();
    expect(found.map(([, store]) => store)).toEqual(Array.from({ length: 18 }, () => undefined));
  });

  test("when it runs again, after a pause, from its group, and when it is replayed", async () => {
    const { bus, found, look, start } = await startedByAnn();
    bus.subscribe(
      "a",
      (event, { attempt }) => {
        look(event);
        if (attempt === 1) throw new Error("again");
      },
      { subscriberId: "again", attempts: 2, backoff: 1 },
    );
    bus.subscribe(
      "b",
      (event) => {
        look(event);
        if (found.length === 7) throw new Error("no");
      },
      { subscriberId: "dead" },
    );
    bus.subscribe("c", look, { subscriberId: "grouped" });
    bus.subscribe("d", look, { subscriberId: "paused" });
    await start();
    await emitByAll(bus, "a");
    await bus.settled();
    await user.run("ann", () => bus.emit("b", "ann"));
    await bus.settled();
    expect(await user.run("bob", () => bus.deadLetters.replay("dead"))).toBe(1);
    await bus.emit({ name: "c", data: "ann", metadata: { eventGroupId: "g" } });
    await user.run("bob", () => bus.releaseGroupedEvents("g"));
    await bus.pause("paused");
    await user.run("ann", () => bus.emit("d", "ann"));
    await user.run("bob", () => bus.resume("paused"));
    await bus.settled();
    expect(found.map(([, store]) => store)).toEqual(Array.from({ length: 10 }, () => undefined));
  });
});
