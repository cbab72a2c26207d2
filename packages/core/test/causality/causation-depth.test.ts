import { describe, expect, test } from "vitest";

import type { Event } from "../../src/contract/event.ts";
import { createWorkflow, emitEventStep } from "../../src/workflows.ts";
import { remembering } from "../support/remembering.ts";
import { startTestBus } from "../support/test-bus.ts";

describe("the causation depth", () => {
  test("is absent for what nobody caused, and one more for what a handler emits", async () => {
    const { bus } = await startTestBus();
    const depths: unknown[] = [];
    bus.subscribe("tick", async ({ metadata }) => {
      depths.push(metadata.causationDepth);
      if (depths.length < 4) await bus.emit("tick", null);
    });
    await bus.emit("tick", null);
    await bus.settled();
    expect(depths).toEqual([undefined, 1, 2, 3]);
  });

  test("cannot be set in a handler, nor by an interceptor, and can outside", async () => {
    const { bus } = await startTestBus();
    const depths: unknown[] = [];
    bus.subscribe("a", ({ metadata }) => bus.emit({ name: "b", data: 1, metadata }).then(() => {}));
    bus.subscribe("b", ({ metadata }) => void depths.push(metadata.causationDepth));
    bus.addInterceptor((event: Event) => ({
      ...event,
      metadata: { ...event.metadata, causationDepth: 0 },
    }));
    await bus.emit({ name: "a", data: 1, metadata: { causationDepth: 41 } });
    await bus.settled();
    expect(depths).toEqual([42]);
  });

  test("is carried through a group that is released in a handler", async () => {
    const { bus } = await startTestBus();
    const depths: unknown[] = [];
    bus.subscribe("a", async () => {
      await bus.emit({ name: "b", data: 1, metadata: { eventGroupId: "g" } });
      await bus.releaseGroupedEvents("g");
    });
    bus.subscribe("b", ({ metadata }) => void depths.push(metadata.causationDepth));
    await bus.emit("a", 1);
    await bus.settled();
    expect(depths).toEqual([1]);
  });

  test("is carried through workflows, and ends those that go round", async () => {
    const { bus } = await startTestBus({ maxCausationDepth: 3 });
    const depths: unknown[] = [];
    const failures: unknown[] = [];
    const again = createWorkflow(
      "again",
      () => void emitEventStep({ eventName: "tick", data: {} }),
    );
    bus.subscribe(
      "tick",
      async ({ metadata }) => {
        depths.push(metadata.causationDepth);
        const run = await again({ resolve: () => bus as never }).run({ throwOnError: false });
        failures.push(...run.errors.map(({ step, error }) => [step, (error as Error).message]));
      },
      { subscriberId: "ticker" },
    );
    await again({ resolve: () => bus as never }).run();
    await bus.settled();
    expect(depths).toEqual([undefined, 1, 2, 3]);
    const reason = expect.stringContaining("causationDepth: would be 4") as string;
    expect(failures).toEqual([["emit-event-step", reason]]);
    expect((await bus.inspect()).groups).toEqual([]);
  });

  test("is carried by events that leave with the release of their group", async () => {
    const { provider, calls } = remembering();
    const { bus } = await startTestBus({ provider });
    const depths: unknown[] = [];
    const next = createWorkflow("next", () => void emitEventStep({ eventName: "tick", data: {} }));
    bus.subscribe("tick", async ({ metadata }) => {
      depths.push(metadata.causationDepth);
      if (depths.length < 3) await next({ resolve: () => bus as never }).run();
    });
    await bus.emit("tick", null);
    await expect.poll(() => depths).toEqual([undefined, 1, 2]);
    expect(calls).toEqual(["release", "release"]);
  });

  test.each([-1, 1.5, "2", null])("%j is none", async (causationDepth) => {
    const { bus } = await startTestBus();
    const emitted = bus.emit({ name: "a", data: 1, metadata: { causationDepth } as never });
    await expect(emitted).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
      details: {
        issues: [{ path: "metadata.causationDepth", reason: "must be a whole number from 0" }],
      },
    });
  });

  test("is warned of at 1 000, once for each subscription", async () => {
    const { bus, logger } = await startTestBus();
    const count = { tick: 0, tock: 0 };
    for (const name of ["tick", "tock"] as const) {
      const next = async (): Promise<void> => {
        count[name] += 1;
        if (count[name] < 1_100) await bus.emit(name, null);
      };
      bus.subscribe(name, next, { subscriberId: name });
    }
    await bus.emit("tick", null);
    await bus.emit("tock", null);
    await bus.settled();
    expect(count).toEqual({ tick: 1_100, tock: 1_100 });
    const warnings = logger.at("warn");
    expect(warnings.map(({ fields }) => [fields["event"], fields["causationDepth"]])).toEqual([
      ["tick", 1_000],
      ["tock", 1_000],
    ]);
    expect(warnings[0]?.message).toContain('Subscriber "tick" emits');
  });

  test("beyond maxCausationDepth an emit rejects, and the loop ends as a dead letter", async () => {
    const { bus } = await startTestBus({ maxCausationDepth: 3 });
    const errors: unknown[] = [];
    let runs = 0;
    bus.subscribe(
      "tick",
      async () => {
        runs += 1;
        await bus
          .emit([
            { name: "other", data: 1 },
            { name: "tick", data: 1 },
          ])
          .catch((error) => {
            errors.push(error);
            throw error;
          });
      },
      { subscriberId: "ticker" },
    );
    await bus.emit("tick", null);
    await bus.settled();
    expect(runs).toBe(4);
    expect(errors).toEqual([
      expect.objectContaining({
        code: "BUSBAR_INVALID_MESSAGE",
        message: expect.stringContaining(
          'metadata.causationDepth: would be 4, and maxCausationDepth is 3: subscriber "ticker"',
        ) as string,
      }),
    ]);
    const { items } = await bus.deadLetters.list();
    expect(items.map(({ event }) => event.metadata.causationDepth)).toEqual([3]);
  });
});
