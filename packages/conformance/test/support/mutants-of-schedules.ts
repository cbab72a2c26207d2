import type { PublishResult, ScheduleStore, StoredSchedule } from "@busbar/core/provider";
import type { MemoryProvider } from "@busbar/core/memory";
import { faulty } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

export const scheduleMutants: readonly Mutant[] = [
  mutant("overwrites a schedule that it has not seen", "schedules/keeps", (inner) => ({
    write: async (schedule) => inner.schedules.write(schedule, await versionOf(inner, schedule.id)),
  })),
  mutant("loses the due time of a schedule", "schedules/keeps", (inner) => ({
    write: ({ id, record }, version) => inner.schedules.write({ id, record }, version),
  })),
  mutant("counts the versions of each schedule from 1", "schedules/keeps", (inner) => {
    const versions = new Map<string, number>();
    const seen = async (schedule: StoredSchedule): Promise<StoredSchedule> => ({
      ...schedule,
      version: versions.get(schedule.id) ?? 0,
    });
    return {
      list: async () => Promise.all((await inner.schedules.list()).map(seen)),
      write: async (schedule, version) => {
        if (version !== versions.get(schedule.id)) return false;
        versions.set(schedule.id, (version ?? 0) + 1);
        return inner.schedules.write(schedule, await versionOf(inner, schedule.id));
      },
      remove: async (id) => {
        versions.delete(id);
        return inner.schedules.remove(id);
      },
    };
  }),
  mutant("does not say when the next schedule is due", "schedules/due", (inner) => ({
    due: async (limit) => ({ ...(await inner.schedules.due(limit)), nextDueAt: undefined }),
  })),
  mutant("lists more due schedules than it should", "schedules/due", (inner) => ({
    due: () => inner.schedules.due(1_000),
  })),
  mutant("lists due schedules in any order", "schedules/due", (inner) => ({
    due: async (limit) => {
      const { schedules, ...others } = await inner.schedules.due(limit);
      return { ...others, schedules: schedules.toReversed() };
    },
  })),
  mutant("has a clock that is an hour off", "schedules/due", (inner) => ({
    due: async (limit) => {
      const due = await inner.schedules.due(limit);
      return { ...due, now: due.now + 3_600_000 };
    },
  })),
  mutant("lists what is not due yet", "schedules/becomes-due", (inner) => ({
    due: async (limit) => {
      const { now, nextDueAt } = await inner.schedules.due(limit);
      return { now, schedules: await inner.schedules.list(), nextDueAt };
    },
  })),
  mutant("fires whatever the version is", "schedules/fire", (inner) => ({
    fire: async (schedule, _version, ...others) => {
      const version = await versionOf(inner, schedule.id);
      return inner.schedules.fire(schedule, version ?? 0, ...others);
    },
  })),
  mutant("fires and does not write", "schedules/fire", (inner) => ({
    fire: (_schedule, _version, envelopes, options) => inner.publish(envelopes, options),
  })),
  mutant("writes and does not fire", "schedules/fire", (inner) => ({
    fire: async (schedule, version, envelopes) =>
      (await inner.schedules.write(schedule, version)) ? envelopes.map(accepted) : undefined,
  })),
  mutant("publishes before it knows whether it may write", "schedules/fire-race", (inner) => ({
    fire: async (schedule, version, envelopes, options) => {
      if ((await versionOf(inner, schedule.id)) !== version) return undefined;
      const results = await inner.publish(envelopes, options);
      return (await inner.schedules.write(schedule, version)) ? results : undefined;
    },
  })),
  mutant("writes although an envelope is refused", "schedules/fire-refused", (inner) => ({
    fire: async (schedule, version, envelopes, options) => {
      const written = await inner.schedules.write(schedule, version);
      return written ? inner.publish(envelopes, options) : undefined;
    },
  })),
  mutant("publishes those that are not refused", "schedules/fire-refused", (inner) => ({
    fire: async (schedule, version, envelopes, options) => {
      const results = await inner.publish(envelopes, options);
      if (results.every(({ status }) => status === "accepted")) {
        await inner.schedules.write(schedule, version);
      }
      return results;
    },
  })),
  mutant("never has a schedule that is due", "schedules/bus", (inner) => ({
    due: async () => ({ now: (await inner.schedules.due(1)).now, schedules: [] }),
  })),
];

function mutant(
  mistake: string,
  caughtBy: string,
  change: (inner: MemoryProvider) => Partial<ScheduleStore>,
): Mutant {
  const harness = () =>
    faulty((inner) => ({ schedules: { ...inner.schedules, ...change(inner) } }));
  return { mistake, caughtBy: [caughtBy], harness };
}

async function versionOf({ schedules }: MemoryProvider, id: string): Promise<number | undefined> {
  return (await schedules.list()).find((it) => it.id === id)?.version;
}

function accepted(): PublishResult {
  return { status: "accepted", subscriptions: 1 };
}
