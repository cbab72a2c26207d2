import type { AuditLog } from "../audit.ts";
import type { AuditList } from "../contract/api.ts";
import { type AnyRoute, reads } from "../http/route.ts";

/** What people have done. */
export function auditRoutes(audit: AuditLog): readonly AnyRoute[] {
  return [
    reads({
      path: "/audit",
      handle: async (): Promise<AuditList> => ({
        entries: audit.list().map((entry) => ({ ...entry, at: entry.at.toISOString() })),
      }),
    }),
  ];
}
