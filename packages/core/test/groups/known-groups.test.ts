import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import { remembering } from "../support/remembering.ts";
import { startTestBus } from "../support/test-bus.ts";
import { collect } from "../support/collect.ts";

const grouped = (data: unknown) => ({ name: "a", data, metadata: { eventGroupId: "g" } });

describe("a group that the staging knows", () => {
  test("is released in one step", async () => {
    const { provider, calls } = remembering();
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit([grouped(1), grouped(2)]);
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1, 2]);
    expect(calls).toEqual(["stage", "release"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 2 });
  });

  test.each<[string, (publish: () => unknown) => Promise<never[] | undefined>]>([
    ["no longer holds that", async () => undefined],
    ["cannot be reached", () => Promise.reject(new Error("ECONNRESET"))],
  ])("and that %s is marked, claimed and completed", async (_, release) => {
    const { provider, calls } = remembering({ release });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1]);
    expect(calls).toEqual(["stage", "release", "mark", "claim", "complete"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1 });
  });

  test("is published once if the answer to its release was lost", async () => {
    const { provider, calls } = remembering({
      release: async (publish) => {
        await publish();
        throw new Error("ECONNRESET");
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1]);
    expect(calls).toEqual(["stage", "release", "mark", "claim"]);
  });

  test("is marked before interceptors run, which see it once", async () => {
    const { provider, calls } = remembering();
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    bus.addInterceptor((event, { isGrouped }) => {
      calls.push(`intercept ${String(event.data)} ${isGrouped}`);
      return event.data === 1 ? null : undefined;
    });
    await bus.emit([grouped(1), grouped(2)]);
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([2]);
    expect(calls).toEqual(["stage", "mark", "intercept 1 true", "intercept 2 true", "release"]);
  });

  test("is left marked by an interceptor that throws", async () => {
    const { provider } = remembering();
    const { bus } = await startTestBus({ provider });
    const refuse = (): never => {
      throw new Error("no");
    };
    await bus.emit(grouped(1));
    bus.addInterceptor(refuse);
    await expect(bus.releaseGroupedEvents("g")).rejects.toThrow("no");
    expect((await bus.inspect()).groups).toMatchObject([{ events: 1, marked: true }]);
  });
});
