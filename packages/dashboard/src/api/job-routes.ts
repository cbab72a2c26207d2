import type { JobList, JobView } from "../contract/api.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import type { Jobs } from "../jobs.ts";

/** Work that takes longer than a request. */
export function jobRoutes(jobs: Jobs): readonly AnyRoute[] {
  return [
    reads({ path: "/jobs", handle: async (): Promise<JobList> => ({ jobs: jobs.list() }) }),
    reads({
      path: "/jobs/:id",
      handle: async ({ params }): Promise<JobView> => jobs.get(params["id"]!),
    }),
    changes({
      method: "DELETE",
      path: "/jobs/:id",
      audit: ({ params }) => ({ action: "job.cancel", target: params["id"]! }),
      handle: async ({ params }): Promise<JobView> => jobs.cancel(params["id"]!),
    }),
  ];
}
