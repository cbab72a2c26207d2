import { z } from "zod";
import type { CatalogueEntry } from "../../contract/async-event.ts";
import type { NotifierInfo } from "../../contract/notifier.ts";
import type { WebhookSubscriptions } from "../../contract/subscription.ts";
import type { WebhookEvent } from "../../contract/webhook-event.ts";
import { notFound } from "../../errors.ts";
import { compileFilter } from "../../filter/event-filter.ts";
import { eventFilterSchema } from "../../filter/filter-schema.ts";
import { jsonWebKeySet } from "../../signing/json-web-keys.ts";
import { asyncApiDocument } from "../asyncapi.ts";
import { type AnyRoute, route } from "../route.ts";
import { catalogueEntrySchema, idParams, notifierSchema, webKeySetSchema } from "../schemas.ts";

/** How long anyone may keep the public keys. */
const PUBLIC = { "cache-control": "public, max-age=300" } as const;

const filterBody = z
  .strictObject({
    filter: eventFilterSchema,
    event: z
      .strictObject({
        id: z.string().max(255).default("test"),
        name: z.string().min(1).max(255).default("test"),
        scope: z.string().max(255).nullable().default(null),
        metadata: z.record(z.string(), z.unknown()).default({}),
        data: z.unknown(),
      })
      .meta({ description: "The event: `data` is its payload." }),
  })
  .meta({ id: "FilterTest", description: "A filter, and an event that it is tried on." });

/** The resources about what there is: events, notifiers, filters, public keys. */
export function catalogueRoutes(
  catalogue: { entries(): readonly CatalogueEntry[] },
  notifiers: () => readonly NotifierInfo[],
  subscriptions: WebhookSubscriptions,
  now: () => Promise<Date>,
): readonly AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/events",
      id: "listEvents",
      tag: "Catalogue",
      summary: "List the events that can be subscribed to",
      permission: "any",
      responses: {
        200: {
          description: "All of them.",
          schema: z.object({ items: z.array(catalogueEntrySchema) }),
        },
      },
      handle: async () => ({ status: 200, body: { items: catalogue.entries() } }),
    }),
    route({
      method: "GET",
      path: "/asyncapi.json",
      id: "getAsyncApi",
      tag: "Catalogue",
      summary: "Read the events as an AsyncAPI document",
      permission: "any",
      responses: {
        200: { description: "The document.", schema: z.record(z.string(), z.unknown()) },
      },
      handle: async () => ({ status: 200, body: asyncApiDocument(catalogue.entries()) }),
    }),
    route({
      method: "GET",
      path: "/notifiers",
      id: "listNotifiers",
      tag: "Catalogue",
      summary: "List the notifiers, and the forms of their settings",
      permission: "any",
      responses: {
        200: { description: "All of them.", schema: z.object({ items: z.array(notifierSchema) }) },
      },
      handle: async () => ({ status: 200, body: { items: notifiers() } }),
    }),
    route({
      method: "POST",
      path: "/filters/test",
      id: "testFilter",
      tag: "Catalogue",
      summary: "Try a filter on an event",
      permission: "webhooks.subscriptions.view",
      body: filterBody,
      responses: {
        200: {
          description: "Whether the event passes.",
          schema: z.object({ matches: z.boolean() }).meta({ id: "FilterResult" }),
        },
      },
      handle: async ({ body: { filter, event } }) => ({
        status: 200,
        body: {
          matches: compileFilter(filter).matches({
            ...event,
            occurredAt: await now(),
          } as WebhookEvent),
        },
      }),
    }),
    route({
      method: "GET",
      path: "/subscriptions/{id}/jwks.json",
      id: "getPublicKeys",
      tag: "Subscriptions",
      summary: "Read the public keys of a subscription",
      description:
        "For its receiver, which verifies `v1a` signatures with them. A set holds the keys of one subscription: a " +
        "receiver that trusts the keys of others would accept what was signed for them.",
      permission: "public",
      params: idParams,
      responses: { 200: { description: "The keys.", schema: webKeySetSchema } },
      handle: async ({ params: { id } }) => {
        const subscription = await subscriptions.get(id);
        if (!subscription) throw notFound("webhook subscription", id);
        return {
          status: 200,
          body: jsonWebKeySet(subscription.secrets, await now()),
          headers: PUBLIC,
        };
      },
    }),
  ];
}
