import type { Caller } from "../auth/caller.ts";
import type { WebhooksFeature } from "../contract/features.ts";
import type { MountedApi } from "../http/app.ts";
import { Problem, problemResponse } from "../http/problem.ts";

/** The permissions of callers who may look only. */
const READ_ONLY = [
  "webhooks.subscriptions.view",
  "webhooks.subscriptions.get",
  "webhooks.logs.list",
  "webhooks.logs.trace",
];

/**
 * The REST interface of `@busbar/webhooks`, for people who are signed in to the dashboard.
 *
 * @param readOnly Whether nobody may change anything.
 */
export function webhooksApi(
  webhooks: () => WebhooksFeature | undefined,
  readOnly: boolean,
): MountedApi {
  const callers = new WeakMap<Request, Caller>();
  const handlers = new Map<string, (request: Request) => Promise<Response>>();
  const permissionsOf = (caller: Caller): readonly string[] => [
    ...(readOnly || caller.readOnly === true ? READ_ONLY : ["webhooks"]),
    ...(caller.permissions ?? []),
  ];
  const authenticate = (
    request: Request,
  ): { readonly name: string; readonly permissions: readonly string[] } | undefined => {
    const caller = callers.get(request);
    return caller && { name: caller.name, permissions: permissionsOf(caller) };
  };
  return {
    path: "/webhooks",
    action: "webhooks",
    async handle(request, prefix, caller) {
      const feature = webhooks();
      if (!feature) {
        return problemResponse(new Problem("not-found", "This bus has no webhooks"));
      }
      let handler = handlers.get(prefix);
      if (!handler) {
        handler = feature.handler({ basePath: prefix, authenticate });
        handlers.set(prefix, handler);
      }
      callers.set(request, caller);
      return handler(request);
    },
  };
}
