import { isBusbarError, PermanentError } from "@busbar/core";
import { describe, expect, test } from "vitest";
import type { TestingProvider } from "../src/index.ts";
import { mail, startBus } from "./support/start-bus.ts";

const outcomes = (provider: TestingProvider, id = "mail"): readonly string[] =>
  provider.deliveries(id).map(({ outcome }) => outcome);

describe("failNext", () => {
  test("fails a run as if the handler had thrown, and leaves the rest to the policy", async () => {
    const handled: unknown[] = [];
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", ({ data }) => void handled.push(data), mail),
    );
    provider.failNext("mail", { times: 3, error: new Error("the mail server is down") });
    await bus.emit("order.placed", 1);
    await provider.drain();
    expect(outcomes(provider)).toEqual(["failed", "failed", "dead"]);
    expect(handled).toEqual([]);
    const { items } = await bus.deadLetters.list();
    expect(items[0]?.errors.map(({ message }) => message)).toEqual(
      Array.from({ length: 3 }, () => "the mail server is down"),
    );
  });

  test("fails the n-th delivery, and only of the event that is meant", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.*", () => {}, { subscriberId: "mail" }),
    );
    provider.failNext("mail", { after: 1, event: "order.paid" });
    for (const name of ["order.paid", "order.placed", "order.paid", "order.paid"]) {
      await bus.emit(name, {});
    }
    await provider.drain();
    expect(outcomes(provider)).toEqual(["acknowledged", "acknowledged", "dead", "acknowledged"]);
  });

  test("takes a permanent error for one", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.failNext("mail", { error: new PermanentError("no such product") });
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(provider.deliveries("mail")).toMatchObject([{ outcome: "dead", reason: "permanent" }]);
  });

  test("fails a subscription of several functions, within middleware, once", async () => {
    const handled: string[] = [];
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe("order.*", () => void handled.push("a"), mail);
      bus.subscribe("order.placed", () => void handled.push("b"), { subscriberId: "mail" });
      bus.use(async (_, next) => next());
    });
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(outcomes(provider)).toEqual(["failed", "acknowledged"]);
    expect(handled).toEqual(["a", "b"]);
  });

  test("leaves other subscriptions alone", async () => {
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe("order.placed", () => {}, mail);
      bus.subscribe("order.placed", () => {}, { subscriberId: "stock" });
    });
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(outcomes(provider, "stock")).toEqual(["acknowledged"]);
  });
});

describe("crashNext", () => {
  test("loses the settlement of a run that has done its work, which comes again", async () => {
    let runs = 0;
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => void runs++, { subscriberId: "mail" }),
    );
    provider.crashNext("mail");
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(outcomes(provider)).toEqual(["crashed", "acknowledged"]);
    expect(runs).toBe(2);
  });

  test("can come before the handler has begun", async () => {
    let runs = 0;
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => void runs++, { subscriberId: "mail" }),
    );
    provider.crashNext("mail", { when: "before" });
    await bus.emit("order.placed", {});
    await bus.settled();
    expect(outcomes(provider)).toEqual(["crashed", "acknowledged"]);
    expect(runs).toBe(1);
  });

  test("counts as a crash and not as an attempt, until there were too many", async () => {
    const { bus, provider } = await startBus(
      (bus) => bus.subscribe("order.placed", () => {}, { subscriberId: "mail" }),
      {},
      { maxCrashes: 2 },
    );
    provider.crashNext("mail", { times: 3, when: "before" });
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(provider.deliveries("mail").map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
    expect(provider.deliveries("mail").at(-1)).toMatchObject({
      outcome: "dead",
      reason: "crashed",
    });
  });
});

describe("delays, repetitions and disorder", () => {
  test("delayNext brings an event late, to one subscription", async () => {
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe("order.placed", () => {}, mail);
      bus.subscribe("order.placed", () => {}, { subscriberId: "stock" });
    });
    provider.delayNext("mail", 500);
    await bus.emit("order.placed", {});
    await provider.advance(499);
    expect([outcomes(provider, "stock"), outcomes(provider)]).toEqual([["acknowledged"], []]);
    const { subscriptions } = await bus.inspect();
    expect(subscriptions.find(({ subscriberId }) => subscriberId === "mail")?.delayed).toBe(1);
    await provider.advance(1);
    expect(outcomes(provider)).toEqual(["acknowledged"]);
  });

  test("duplicateNext brings an event twice, under one id", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.duplicateNext("mail", { delayMs: 60_000, times: 2 });
    const [id] = await bus.emit("order.placed", {});
    await provider.drain();
    expect(provider.deliveries("mail").map(({ event }) => event.id)).toEqual([id, id]);
  });

  async function arrivals(
    options: Parameters<TestingProvider["reorder"]>[0],
    context: { readonly ordering?: "key" | "all" } = {},
  ): Promise<string> {
    const seen: unknown[] = [];
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("n", ({ data }) => void seen.push(data), { subscriberId: "s", ...context }),
    );
    provider.reorder(options);
    for (let n = 0; n < 8; n++) await bus.emit("n", n, { orderingKey: n < 4 ? "a" : "b" });
    await provider.drain();
    return seen.join("");
  }

  test("reorder mixes up deliveries, the same way for the same seed", async () => {
    const [one, again, other] = [
      await arrivals({ seed: 1 }),
      await arrivals({ seed: 1 }),
      await arrivals({ seed: 2 }),
    ];
    expect(one).not.toBe("01234567");
    expect(again).toBe(one);
    expect(other).not.toBe(one);
    expect(one.split("").toSorted().join("")).toBe("01234567");
  });

  test("reorder keeps the order that a subscription asks for", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect(await arrivals({ seed, windowMs: 100 }, { ordering: "all" })).toBe("01234567");
      const byKey = await arrivals({ seed, windowMs: 100 }, { ordering: "key" });
      expect([byKey.replaceAll(/[4-7]/g, ""), byKey.replaceAll(/[0-3]/g, "")]).toEqual([
        "0123",
        "4567",
      ]);
    }
  });

  test("clearFaults ends them all", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.reorder();
    provider.rejectPublish();
    provider.timeOutPublish();
    provider.failNext("mail");
    provider.crashNext("mail");
    provider.duplicateNext("mail");
    provider.clearFaults();
    await bus.emit("order.placed", {});
    await provider.advance(0);
    expect(outcomes(provider)).toEqual(["acknowledged"]);
  });
});

describe("faults of a publish", () => {
  test("rejectPublish refuses an emit", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.rejectPublish({ after: 1, reason: "no space left" });
    await bus.emit("order.placed", 1);
    const error: unknown = await bus.emit("order.placed", 2).catch((thrown: unknown) => thrown);
    expect(isBusbarError(error, "BUSBAR_UNAVAILABLE") && error.message).toContain("no space left");
    await bus.emit("order.placed", 3);
    await provider.drain();
    expect(provider.deliveries("mail").map(({ event }) => event.data)).toEqual([1, 3]);
  });

  test("a refusal that may be tried again is, by the bus", async () => {
    const { bus, provider } = await startBus();
    provider.rejectPublish({ times: 2, retryable: true });
    const emitted = bus.emit("order.placed", {});
    await provider.advance(100);
    expect(await emitted).toHaveLength(1);
    expect(provider.emitted()).toHaveLength(1);
  });

  test("timeOutPublish may have accepted what it does not answer", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.timeOutPublish({ accepted: true });
    const failure = bus.emit("order.placed", {}).catch((thrown: unknown) => thrown);
    await provider.drain();
    expect(isBusbarError(await failure, "BUSBAR_EMIT_TIMEOUT")).toBe(true);
    expect(provider.emitted()).toHaveLength(1);
    expect(outcomes(provider)).toEqual(["acknowledged"]);
  });
});

test("wrong counts and times are mistakes", async () => {
  const { provider } = await startBus();
  expect(() => provider.failNext("mail", { times: 0 })).toThrow(TypeError);
  expect(() => provider.failNext("mail", { after: 0.5 })).toThrow(TypeError);
  expect(() => provider.delayNext("mail", -1)).toThrow(TypeError);
  expect(() => provider.reorder({ windowMs: Number.NaN })).toThrow(TypeError);
});
