import { createEventBus } from "@busbar/core";
import { describe, expect, test } from "vitest";
import {
  simulate,
  type SimulatedApp,
  type SimulateOptions,
  type Simulation,
  SimulationFailure,
  testingProvider,
} from "../src/index.ts";

type MakeApp = (simulation: Simulation) => SimulatedApp | Promise<SimulatedApp>;

async function failureOf(makeApp: MakeApp, options?: SimulateOptions): Promise<SimulationFailure> {
  const error: unknown = await simulate(makeApp, options).catch((thrown: unknown) => thrown);
  if (error instanceof SimulationFailure) return error;
  throw new Error("The simulation has not failed as one", { cause: error });
}

/** Counts sold items, once per event or once per delivery. */
const sales =
  ({ idempotent }: { readonly idempotent: boolean }): MakeApp =>
  ({ provider }) => {
    const bus = createEventBus({ provider });
    const counted = new Set<string>();
    let sold = 0;
    bus.subscribe<{ items: number }>(
      "order.placed",
      (event) => {
        if (idempotent && counted.has(event.id)) return;
        counted.add(event.id);
        sold += event.data.items;
      },
      { subscriberId: "count-sales" },
    );
    return {
      bus,
      run: async () => {
        for (const items of [1, 2, 3]) await bus.emit("order.placed", { items });
      },
      check: () => expect(sold).toBe(6),
    };
  };

/** Keeps the state of an order, as the last event says. */
const orderState =
  (ordering: "none" | "key"): MakeApp =>
  ({ provider }) => {
    const bus = createEventBus({ provider });
    const states = new Map<string, string>();
    bus.subscribe<{ orderId: string }>(
      "order.*",
      ({ name, data }) => void states.set(data.orderId, name),
      { subscriberId: "track-orders", ordering },
    );
    return {
      bus,
      run: async () => {
        for (const name of ["order.placed", "order.paid", "order.shipped"]) {
          await bus.emit(name, { orderId: "42" }, { orderingKey: "42" });
        }
      },
      check: () => expect(states.get("42")).toBe("order.shipped"),
    };
  };

/** Charges a customer, and writes down that it has, in two steps. */
const payment =
  ({ charge }: { readonly charge: "once-per-event" | "once-per-run" }): MakeApp =>
  ({ provider, pause }) => {
    const bus = createEventBus({ provider });
    const charges: string[] = [];
    const done = new Set<string>();
    bus.subscribe(
      "order.placed",
      async (event) => {
        if (done.has(event.id)) return;
        await pause();
        if (charge === "once-per-run" || !charges.includes(event.id)) charges.push(event.id);
        await pause();
        done.add(event.id);
      },
      { subscriberId: "charge" },
    );
    return {
      bus,
      run: async () => void (await bus.emit("order.placed", {})),
      check: () => expect(charges).toHaveLength(1),
    };
  };

/** Adds to a stock that it reads first. */
const stock =
  (concurrency: number): MakeApp =>
  ({ provider, pause }) => {
    const bus = createEventBus({ provider });
    const seen = new Set<string>();
    let items = 0;
    bus.subscribe(
      "goods.received",
      async (event) => {
        const before = items;
        await pause();
        if (seen.has(event.id)) return;
        seen.add(event.id);
        items = before + 1;
      },
      { subscriberId: "add-to-stock", concurrency },
    );
    return {
      bus,
      run: async () => {
        for (let n = 0; n < 3; n++) await bus.emit("goods.received", {});
      },
      check: () => expect(items).toBe(3),
    };
  };

describe("simulate finds", () => {
  test("a subscriber that counts twice when an event comes twice", async () => {
    const failure = await failureOf(sales({ idempotent: false }));
    expect(failure.message).toMatch(/^Seed \d+ fails: expected \d+ to be 6/);
    expect(failure.trace.join("\n")).toMatch(/comes again|crashed/);
    expect(failure.replays).toBe(true);
  });

  test("a subscriber that relies on an order it has not asked for", async () => {
    const failure = await failureOf(orderState("none"));
    expect(failure.message).toContain("to be 'order.shipped'");
    expect(failure.message).toContain(`simulate(makeApp, { seed: ${failure.seed} })`);
  });

  test("a subscriber that has done half of its work when the process crashes", async () => {
    const failure = await failureOf(payment({ charge: "once-per-run" }), {
      faults: { duplicates: 0, delays: 0 },
    });
    expect(failure.trace.join("\n")).toContain("crashed       order.placed #1 in the middle of");
  });

  test("two runs that overwrite each other's result", async () => {
    const failure = await failureOf(stock(10), { faults: { duplicates: 0, crashes: 0 } });
    expect(failure.message).toContain("to be 3");
  });

  test("nothing in subscribers that are right, in a thousand seeds", async () => {
    const report = await simulate(sales({ idempotent: true }));
    expect(report.seeds).toBe(1_000);
    for (const count of ["deliveries", "delays", "duplicates", "crashes"] as const) {
      expect(report[count]).toBeGreaterThan(300);
    }
    await simulate(orderState("key"));
  }, 60_000);

  test("nothing in handlers that do their work in steps and are right", async () => {
    await simulate(payment({ charge: "once-per-event" }));
    await simulate(stock(1));
  }, 60_000);
});

describe("a seed", () => {
  test("is replayed exactly", async () => {
    const failure = await failureOf(orderState("none"));
    const replayed = await failureOf(orderState("none"), { seed: failure.seed });
    expect(replayed.seed).toBe(failure.seed);
    expect(replayed.trace).toEqual(failure.trace);
    expect(replayed.message).toBe(failure.message);
  });

  test("is one of those from which on they are counted", async () => {
    const seeds: number[] = [];
    const makeApp: MakeApp = (simulation) => {
      seeds.push(simulation.seed);
      return sales({ idempotent: true })(simulation);
    };
    expect((await simulate(makeApp, { from: 70, seeds: 3 })).seeds).toBe(3);
    expect((await simulate(makeApp, { seed: 5 })).seeds).toBe(1);
    expect(seeds).toEqual([70, 71, 72, 5]);
  });

  test("that depends on something else is said not to replay", async () => {
    let runs = 0;
    const failure = await failureOf(({ provider }) => {
      const bus = createEventBus({ provider });
      bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
      runs += 1;
      return {
        bus,
        run: async () => void (await bus.emit("order.placed", {})),
        check: () => expect(runs).toBe(2),
      };
    });
    expect(failure.replays).toBe(false);
    expect(failure.message).toContain("A second run of seed 1 went otherwise");
  });

  test("with a long trace shows the end of it, and keeps all", async () => {
    const failure = await failureOf(({ provider }) => {
      const bus = createEventBus({ provider });
      bus.subscribe("n", () => {}, { subscriberId: "s" });
      return {
        bus,
        run: async () =>
          void (await bus.emit(Array.from({ length: 100 }, (_, data) => ({ name: "n", data })))),
        check: () => expect(1).toBe(2),
      };
    });
    expect(failure.trace.length).toBeGreaterThanOrEqual(300);
    expect(failure.message.split("\n").length).toBeLessThan(220);
    expect(failure.message).toContain(`… ${failure.trace.length - 200} lines`);
  });

  test("gives a scenario chance and time that come back with it", async () => {
    const drawn: number[][] = [];
    const makeApp: MakeApp = ({ provider, random, clock }) => {
      const bus = createEventBus({ provider });
      bus.subscribe("n", () => {}, { subscriberId: "s" });
      drawn.push([random(), random(), clock.now()]);
      return { bus, run: async () => void (await bus.emit("n", 1)), check: () => {} };
    };
    for (const seed of [1, 2, 1]) await simulate(makeApp, { seed });
    expect(drawn[2]).toEqual(drawn[0]);
    expect(drawn[1]?.[0]).not.toBe(drawn[0]?.[0]);
  });

  test("has retries with jitter that come back with it", async () => {
    const waits: number[] = [];
    const makeApp: MakeApp = ({ provider }) => {
      const bus = createEventBus({ provider });
      const backoff = { type: "fixed", delay: 1_000, jitter: 1 } as const;
      bus.subscribe("n", () => {}, { subscriberId: "s", attempts: 2, backoff });
      provider.failNext("s");
      return {
        bus,
        run: async () => void (await bus.emit("n", 1)),
        check: () => {
          const [first, second] = provider.deliveries("s").map(({ at }) => at.getTime());
          waits.push((second ?? 0) - (first ?? 0));
        },
      };
    };
    for (const seed of [1, 1]) {
      await simulate(makeApp, { seed, faults: { delays: 0, duplicates: 0, crashes: 0 } });
    }
    expect(waits[0]).toBe(waits[1]);
    expect(waits[0]).toBeLessThan(1_000);
  });
});

describe("a seed fails", () => {
  const failing = (
    members: Partial<SimulatedApp>,
    handler: () => void | Promise<void> = () => {},
  ): MakeApp => {
    return ({ provider }) => {
      const bus = createEventBus({ provider });
      bus.subscribe("n", handler, { subscriberId: "s" });
      const run = async (): Promise<void> => void (await bus.emit("n", 1));
      return { bus, run, check: () => {}, ...members } as SimulatedApp;
    };
  };

  test("when the scenario rejects, or throws", async () => {
    const error = new Error("no such product");
    const rejects = await failureOf(failing({ run: () => Promise.reject(error) }));
    expect(rejects.message).toContain("Seed 1 fails: no such product");
    expect(rejects.cause).toBe(error);
    const throws = failing({
      run: () => {
        throw error;
      },
    });
    expect((await failureOf(throws)).cause).toBe(error);
  });

  test("when a delivery ends dead, unless that is allowed", async () => {
    const makeApp = failing({}, () => {
      throw new Error("no such product");
    });
    expect((await failureOf(makeApp)).message).toContain(
      "A dead letter: n #1 by s: no such product",
    );
    await simulate(makeApp, { seeds: 10, allowDeadLetters: true });
  });

  test("when a handler hangs", async () => {
    const makeApp = failing({}, () => new Promise(() => {}));
    const failure = await failureOf(makeApp, { timeoutMs: 20 });
    expect(failure.message).toContain("s: 1 in flight");
  });

  test("when the scenario hangs", async () => {
    const makeApp = failing({ run: () => new Promise(() => {}) });
    const failure = await failureOf(makeApp, { timeoutMs: 20 });
    expect(failure.message).toContain("run(): not over after 20 ms");
  });

  test("when the application cannot be stopped, and the first error is the reason", async () => {
    const stop = (): Promise<void> => Promise.reject(new Error("cannot stop"));
    const bus = { start: () => Promise.resolve(), stop };
    expect((await failureOf(failing({ bus, run: () => {} }))).message).toContain("cannot stop");
    const run = (): Promise<void> => Promise.reject(new Error("cannot run"));
    expect((await failureOf(failing({ bus, run }))).message).toContain("cannot run");
  });

  test("when there is nothing to start", async () => {
    const makeApp = (() => ({ run: () => {}, check: () => {} })) as unknown as MakeApp;
    expect((await failureOf(makeApp)).message).toContain("needs a bus or an app");
  });

  test("when the application cannot be made", async () => {
    const failure = await failureOf(() => {
      throw new Error("no configuration");
    });
    expect(failure.message).toContain("no configuration");
  });
});

test("time moves on while the scenario waits for it", async () => {
  const report = await simulate(
    ({ provider, pause }) => {
      const bus = createEventBus({ provider });
      bus.subscribe("n", () => {}, { subscriberId: "s" });
      const run = async (): Promise<void> => {
        await bus.emit("n", 1, { delay: 60_000 });
        await bus.settled({ timeoutMs: 120_000 });
        await pause();
        expect(provider.deliveries("s").length).toBeGreaterThan(0);
      };
      return { bus, run, check: () => {} };
    },
    { seeds: 50 },
  );
  expect(report.deliveries).toBeGreaterThan(50);
});

test("a simulation in which nothing is delivered proves nothing", async () => {
  const makeApp: MakeApp = ({ provider }) => {
    return { bus: createEventBus({ provider }), run: () => {}, check: () => {} };
  };
  await expect(simulate(makeApp, { seeds: 2 })).rejects.toThrow("Nothing was delivered");
});

test("a bus on another provider is found out", async () => {
  const makeApp: MakeApp = () =>
    sales({ idempotent: true })({ provider: testingProvider() } as Simulation);
  const simulated = simulate(
    async (simulation) => {
      const made = await makeApp(simulation);
      return { ...made, check: () => {} };
    },
    { seeds: 2 },
  );
  await expect(simulated).rejects.toThrow("make the bus with simulation.provider");
});

test("wrong options are mistakes", async () => {
  const makeApp = sales({ idempotent: true });
  await expect(simulate(makeApp, { seeds: 0 })).rejects.toThrow(TypeError);
  await expect(simulate(makeApp, { from: -1 })).rejects.toThrow(TypeError);
  await expect(simulate(makeApp, { faults: { crashes: 2 } })).rejects.toThrow(TypeError);
  await expect(simulate(makeApp, { faults: { maxDelayMs: -1 } })).rejects.toThrow(TypeError);
});
