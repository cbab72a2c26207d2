export type { AuditEntry } from "./audit.ts";
export type { Authenticate, Caller } from "./auth/caller.ts";
export type { AccessToken } from "./auth/tokens.ts";
export type { OutboxFeature, RunStore, WebhooksFeature } from "./contract/features.ts";
export { type Dashboard, dashboard, type DashboardOptions } from "./dashboard.ts";
export { recorder } from "./recorder/recorder.ts";
export { nodeListener, type ServedDashboard, serveDashboard, type ServeOptions } from "./serve.ts";
