import type { JsonObject } from "@busbar/core/provider";
import type { RunList } from "../contract/api.ts";
import { Problem } from "../http/problem.ts";
import { type AnyRoute, reads } from "../http/route.ts";
import type { Running } from "../running.ts";

/** Runs that are listed. */
const LISTED = 100;

/** Runs of workflows, as a run store knows them. */
export function runRoutes(started: () => Running): readonly AnyRoute[] {
  return [
    reads({
      path: "/runs",
      async handle(): Promise<RunList> {
        const { runs } = started();
        if (!runs) throw new Problem("not-found", "This bus has no store of workflow runs");
        const listed = await runs.list({ limit: LISTED });
        return { runs: JSON.parse(JSON.stringify(listed)) as readonly JsonObject[] };
      },
    }),
  ];
}
