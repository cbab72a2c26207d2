import type { ScheduleInfo } from "@busbar/core";
import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { EmitResult, ScheduleList, ScheduleView } from "../contract/api.ts";
import { Problem } from "../http/problem.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import type { Running } from "../running.ts";

/** The schedules of the bus, and actions on them. */
export function scheduleRoutes(started: () => Running): readonly AnyRoute[] {
  return [
    reads({
      path: "/schedules",
      async handle(): Promise<ScheduleList> {
        return { schedules: (await started().bus.schedules.list()).map(scheduleView) };
      },
    }),
    ...(["pause", "resume"] as const).map((name) =>
      changes({
        path: `/schedules/:id/${name}`,
        audit: ({ params }) => ({ action: `schedule.${name}`, target: params["id"]! }),
        async handle({ params }) {
          await started().bus.schedules[name](params["id"]!);
          return {};
        },
      }),
    ),
    changes({
      path: "/schedules/:id/trigger",
      audit: ({ params }) => ({ action: "schedule.trigger", target: params["id"]! }),
      handle: async ({ params }): Promise<EmitResult> => ({
        eventId: await started().bus.schedules.trigger(params["id"]!),
      }),
    }),
    changes({
      path: "/schedules/:id/remove",
      audit: ({ params }) => ({ action: "schedule.remove", target: params["id"]! }),
      async handle({ params }) {
        const wasThere = await started().bus.schedules.remove(params["id"]!);
        if (!wasThere) throw new Problem("not-found", "There is no schedule with this id");
        return {};
      },
    }),
  ];
}

/** A schedule, for the page. */
function scheduleView({
  id,
  schedule,
  paused,
  emitted,
  lastError,
  ...info
}: ScheduleInfo): ScheduleView {
  const { event, data, options, misfire = "once" } = schedule;
  return {
    id,
    times:
      schedule.cron === undefined
        ? { everyMs: schedule.everyMs }
        : { cron: schedule.cron, timeZone: schedule.timeZone ?? "UTC" },
    startAt: timestamp(schedule.startAt),
    endAt: timestamp(schedule.endAt),
    event,
    // The provider keeps both as JSON.
    data: (data ?? null) as JsonValue,
    options: (options ?? {}) as JsonObject,
    misfire,
    paused,
    nextDueAt: timestamp(info.nextDueAt),
    lastDueAt: timestamp(info.lastDueAt),
    lastFiredAt: timestamp(info.lastFiredAt),
    emitted,
    lastError: lastError
      ? {
          message: lastError.message,
          code: lastError.code ?? null,
          at: lastError.at.toISOString(),
          attempts: lastError.attempts,
          retryAt: lastError.retryAt.toISOString(),
        }
      : null,
  };
}

function timestamp(time: Date | undefined): string | null {
  return time?.toISOString() ?? null;
}
