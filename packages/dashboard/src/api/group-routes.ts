import type { GroupList } from "../contract/api.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import type { Running } from "../running.ts";

/** The groups that are neither released nor cleared. */
export function groupRoutes(started: () => Running): readonly AnyRoute[] {
  return [
    reads({
      path: "/groups",
      async handle(): Promise<GroupList> {
        const { groups } = await started().bus.inspect();
        return {
          groups: groups.map(({ eventGroupId, events, stagedAt, marked }) => ({
            eventGroupId,
            events,
            stagedAt: stagedAt.toISOString(),
            marked,
          })),
        };
      },
    }),
    changes({
      path: "/groups/:id/release",
      audit: ({ params }) => ({ action: "group.release", target: params["id"]! }),
      async handle({ params }) {
        await started().bus.releaseGroupedEvents(params["id"]!);
        return {};
      },
    }),
    changes({
      path: "/groups/:id/clear",
      audit: ({ params }) => ({ action: "group.clear", target: params["id"]! }),
      async handle({ params }) {
        await started().bus.clearGroupedEvents(params["id"]!);
        return {};
      },
    }),
  ];
}
