import { z } from "zod";
import type { EndpointStates } from "../../contract/endpoint-state.ts";
import { type AnyRoute, route } from "../route.ts";
import { endpointStateSchema, idParams } from "../schemas.ts";
import type { SubscriptionChanges } from "../subscription-changes.ts";

/** The resources about the health of endpoints. */
export function endpointRoutes(
  endpoints: EndpointStates,
  changes: Pick<SubscriptionChanges, "get">,
): readonly AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/endpoints/failing",
      id: "listFailingEndpoints",
      tag: "Subscriptions",
      summary: "List the endpoints that fail or rest",
      description:
        "The 100 endpoints that have failed for the longest, and then those that do not fail and rest.",
      permission: "webhooks.subscriptions.view",
      responses: {
        200: {
          description: "The endpoints.",
          schema: z.object({ items: z.array(endpointStateSchema) }),
        },
      },
      handle: async () => ({ status: 200, body: { items: await endpoints.failing() } }),
    }),
    route({
      method: "GET",
      path: "/subscriptions/{id}/endpoint",
      id: "getEndpoint",
      tag: "Subscriptions",
      summary: "Read the health of the endpoint of a subscription",
      description: "Those of deleted subscriptions are found as well.",
      permission: "webhooks.subscriptions.get",
      params: idParams,
      responses: { 200: { description: "The endpoint.", schema: endpointStateSchema } },
      handle: async ({ params: { id } }) => {
        await changes.get(id);
        return { status: 200, body: await endpoints.get(id) };
      },
    }),
  ];
}
