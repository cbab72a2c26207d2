import { z } from "zod";
import type { EndpointStates } from "../../contract/endpoint-state.ts";
import { type AnyRoute, route } from "../route.ts";
import { endpointStateSchema, idParams } from "../schemas.ts";

/** The resources about the health of endpoints. */
export function endpointRoutes(endpoints: EndpointStates): readonly AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/endpoints/failing",
      id: "listFailingEndpoints",
      tag: "Subscriptions",
      summary: "List the endpoints that fail or rest",
      description: "The 100 that have failed for the longest.",
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
      permission: "webhooks.subscriptions.get",
      params: idParams,
      responses: { 200: { description: "The endpoint.", schema: endpointStateSchema } },
      handle: async ({ params: { id } }) => ({ status: 200, body: await endpoints.get(id) }),
    }),
  ];
}
