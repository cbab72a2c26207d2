import { describe, expect, test } from "vitest";
import type { GroupStaging, KnownGroups, StagedEvent } from "../../src/contracts/groups.ts";
import type { EventProvider } from "../../src/contracts/provider.ts";
import { MemoryGroupStaging } from "../../src/memory/memory-group-staging.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { collect } from "./support/collect.ts";

/** A durable provider whose staging remembers what was staged, and the calls that it gets. */
function remembering(
  release: (
    publish: () => ReturnType<KnownGroups["release"]>,
  ) => ReturnType<KnownGroups["release"]>,
): { readonly provider: EventProvider; readonly calls: string[] } {
  const inner = memoryProvider();
  const calls: string[] = [];
  const staged = new Map<string, StagedEvent[]>();
  const staging = new MemoryGroupStaging({
    clock: createManualClock(),
    publish: (envelopes, options) => inner.publish(envelopes, options),
  });
  const groups: GroupStaging = {
    async stage(id, events, options) {
      staged.set(id, [...(staged.get(id) ?? []), ...events]);
      await staging.stage(id, events, options);
    },
    mark: (id) => {
      calls.push("mark");
      return staging.mark(id);
    },
    claim: (options) => {
      calls.push("claim");
      return staging.claim(options);
    },
    complete: (claim, envelopes, options) => {
      calls.push("complete");
      return staging.complete(claim, envelopes, options);
    },
    abandon: (claim) => staging.abandon(claim),
    clear: (id, options) => staging.clear(id, options),
    list: () => staging.list(),
    known: {
      take(id) {
        const events = staged.get(id);
        staged.delete(id);
        return events;
      },
      release: (id, _, envelopes, options) => {
        calls.push("release");
        return release(async () => {
          await staging.clear(id, {});
          return inner.publish(envelopes, options);
        });
      },
    },
  };
  const capabilities = { ...inner.capabilities, durable: true };
  return { provider: providerLike(inner, { capabilities, groups }), calls };
}

const grouped = (data: unknown) => ({ name: "a", data, metadata: { eventGroupId: "g" } });

describe("a group that the staging knows", () => {
  test("is released in one step", async () => {
    const { provider, calls } = remembering((publish) => publish());
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit([grouped(1), grouped(2)]);
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1, 2]);
    expect(calls).toEqual(["release"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 2 });
  });

  test.each<[string, (publish: () => unknown) => Promise<never[] | undefined>]>([
    ["no longer holds that", async () => undefined],
    ["cannot be reached", () => Promise.reject(new Error("ECONNRESET"))],
  ])("and that %s is marked, claimed and completed", async (_, release) => {
    const { provider, calls } = remembering(release);
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1]);
    expect(calls).toEqual(["release", "mark", "claim", "complete"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1 });
  });

  test("is published once if the answer to its release was lost", async () => {
    const { provider, calls } = remembering(async (publish) => {
      await publish();
      throw new Error("ECONNRESET");
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual([1]);
    expect(calls).toEqual(["release", "mark", "claim"]);
  });

  test("is marked before interceptors run, which see it once", async () => {
    const { provider, calls } = remembering((publish) => publish());
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
    expect(calls).toEqual(["mark", "intercept 1 true", "intercept 2 true", "release"]);
  });

  test("is left marked by an interceptor that throws", async () => {
    const { provider } = remembering((publish) => publish());
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
