import type { AuditLog } from "../audit.ts";
import type { EventStreams } from "../http/event-stream.ts";
import type { AnyRoute } from "../http/route.ts";
import type { Jobs } from "../jobs.ts";
import type { Running } from "../running.ts";
import { auditRoutes } from "./audit-routes.ts";
import { deadRoutes } from "./dead-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { groupRoutes } from "./group-routes.ts";
import { jobRoutes } from "./job-routes.ts";
import { outboxRoutes } from "./outbox-routes.ts";
import { overviewRoutes } from "./overview-routes.ts";
import { runRoutes } from "./run-routes.ts";
import { scheduleRoutes } from "./schedule-routes.ts";
import { subscriptionRoutes } from "./subscription-routes.ts";
import { type SessionEnvironment, sessionRoutes } from "./session-routes.ts";

/** What the routes of the API share. */
export interface RouteEnvironment {
  readonly session: SessionEnvironment;
  /** Throws a problem while the bus does not run. */
  readonly started: () => Running;
  readonly streams: EventStreams;
  readonly jobs: Jobs;
  readonly audit: AuditLog;
}

/** Every route of the API, but for that of webhooks. */
export function allRoutes(environment: RouteEnvironment): readonly AnyRoute[] {
  const { session, started, streams, jobs, audit } = environment;
  return [
    ...sessionRoutes(session),
    ...overviewRoutes(started, streams),
    ...eventRoutes(started, streams),
    ...subscriptionRoutes(started),
    ...scheduleRoutes(started),
    ...deadRoutes(started, jobs),
    ...jobRoutes(jobs),
    ...outboxRoutes(started),
    ...groupRoutes(started),
    ...runRoutes(started),
    ...auditRoutes(audit),
  ];
}
