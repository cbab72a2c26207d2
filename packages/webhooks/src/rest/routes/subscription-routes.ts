import { z } from "zod";
import type { JsonValue } from "@busbar/core/provider";
import type { TestSubscription } from "../../contract/subscription-test.ts";
import type { SubscriptionChange, WebhookSubscriptions } from "../../contract/subscription.ts";
import {
  newSubscriptionSchema,
  subscriptionChangeSchema,
  subscriptionFilterSchema,
} from "../../subscriptions/schema.ts";
import { LINK_HEADER, pageAnswer, pageOf, pageOptions, pageQuery } from "../paging.ts";
import { etagOf } from "../preconditions.ts";
import { type Answer, type AnyRoute, route } from "../route.ts";
import {
  bulkResultSchema,
  createdSubscriptionSchema,
  idParams,
  rotatedSecretSchema,
  subscriptionSchema,
  testResultSchema,
} from "../schemas.ts";
import type { SubscriptionChanges } from "../subscription-changes.ts";

const listQuery = z.strictObject({
  event: z
    .string()
    .max(255)
    .optional()
    .meta({ description: "Those that want an event of this name." }),
  notifier: z.string().max(100).optional(),
  scope: z.string().max(255).optional().meta({ description: "Those of this scope." }),
  unscoped: z.boolean().optional().meta({ description: "With `true`: those without a scope." }),
  enabled: z.boolean().optional(),
  text: z
    .string()
    .max(500)
    .optional()
    .meta({ description: "A part of the destination or the label." }),
  deleted: z.boolean().optional().meta({ description: "With `true`: those that were deleted." }),
  ...pageQuery,
});

const bulkBody = subscriptionFilterSchema
  .refine((body) => Object.values(body).some((condition) => condition !== undefined), {
    error: 'must have a condition: {"deleted": false} means all',
  })
  .meta({ id: "BulkRequest", description: "Which subscriptions a bulk action changes." });

const secretBody = z
  .strictObject({
    secret: z.string().min(1).max(200).optional(),
    graceMs: z.int().min(0).max(604_800_000).optional().meta({
      description: "Milliseconds for which the old secrets sign as well. A day by default.",
    }),
  })
  .optional()
  .meta({ id: "NewSecret", description: "A new secret, and how long the old ones go on." });

const testBody = z
  .strictObject({
    event: z.string().min(1).max(255).optional(),
    payload: z.json().optional(),
  })
  .optional()
  .meta({ id: "TestRequest", description: "What is sent. Without it: the example of an event." });

/** The resources of subscriptions. */
export function subscriptionRoutes(
  subscriptions: WebhookSubscriptions,
  changes: SubscriptionChanges,
  test: TestSubscription,
): readonly AnyRoute[] {
  const one = {
    description: "The subscription.",
    schema: subscriptionSchema,
    headers: { etag: "The version." },
  };
  const bulk = (action: "enable" | "disable"): AnyRoute =>
    route({
      method: "POST",
      path: `/subscriptions/${action}`,
      id: `${action}Subscriptions`,
      tag: "Subscriptions",
      summary: `${action === "enable" ? "Enable" : "Disable"} all that fit`,
      permission: "webhooks.subscriptions.save",
      body: bulkBody,
      responses: { 200: { description: "How many have changed.", schema: bulkResultSchema } },
      handle: async ({ body, caller }) => ({
        status: 200,
        body: await changes.setEnabled(caller, body, action === "enable"),
      }),
    });
  return [
    route({
      method: "GET",
      path: "/subscriptions",
      id: "listSubscriptions",
      tag: "Subscriptions",
      summary: "List subscriptions, newest first",
      permission: "webhooks.subscriptions.view",
      query: listQuery,
      responses: {
        200: { description: "A page.", schema: pageOf(subscriptionSchema), headers: LINK_HEADER },
      },
      handle: async ({ query, url }) => {
        const { limit: _limit, cursor: _cursor, unscoped, scope, ...filter } = query;
        const page = await subscriptions.list(
          { ...filter, scope: unscoped === true ? null : scope },
          pageOptions(query),
        );
        return pageAnswer(page, url);
      },
    }),
    route({
      method: "POST",
      path: "/subscriptions",
      id: "createSubscription",
      tag: "Subscriptions",
      summary: "Create a subscription",
      permission: "webhooks.subscriptions.create",
      body: newSubscriptionSchema,
      responses: {
        201: {
          description: "The new subscription.",
          schema: createdSubscriptionSchema,
          headers: { location: "The subscription.", etag: "The version." },
        },
      },
      handle: async ({ body, caller }) => {
        const subscription = await changes.create(caller, body);
        return {
          status: 201,
          body: subscription,
          headers: {
            location: `subscriptions/${subscription.id}`,
            etag: etagOf(subscription.version),
          },
        };
      },
    }),
    bulk("enable"),
    bulk("disable"),
    route({
      method: "GET",
      path: "/subscriptions/{id}",
      id: "getSubscription",
      tag: "Subscriptions",
      summary: "Read a subscription",
      description: "Deleted ones are found as well.",
      permission: "webhooks.subscriptions.get",
      params: idParams,
      responses: { 200: one },
      handle: async ({ params: { id } }) => withTag(await changes.get(id)),
    }),
    route({
      method: "PATCH",
      path: "/subscriptions/{id}",
      id: "changeSubscription",
      tag: "Subscriptions",
      summary: "Change what is given, and leave the rest",
      description:
        "As `application/json`, a member replaces the member of that name whole. As `application/merge-patch+json` " +
        "(RFC 7396), objects are merged, and a member that is null gets its default.",
      permission: "webhooks.subscriptions.save",
      params: idParams,
      body: subscriptionChangeSchema,
      mergePatch: true,
      ifMatch: true,
      responses: { 200: one },
      handle: async ({ params: { id }, body, patch, caller, ifVersion }) =>
        withTag(
          patch
            ? await changes.merge(caller, id, patch, ifVersion)
            : await changes.update(caller, id, body as SubscriptionChange, ifVersion),
        ),
    }),
    route({
      method: "PUT",
      path: "/subscriptions/{id}",
      id: "replaceSubscription",
      tag: "Subscriptions",
      summary: "Replace a subscription: what is left out gets its default",
      description: "The secrets stay: `/subscriptions/{id}/secret` changes them.",
      permission: "webhooks.subscriptions.save",
      params: idParams,
      body: newSubscriptionSchema,
      ifMatch: true,
      responses: { 200: one },
      handle: async ({ params: { id }, body, caller, ifVersion }) =>
        withTag(await changes.replace(caller, id, body, ifVersion)),
    }),
    route({
      method: "DELETE",
      path: "/subscriptions/{id}",
      id: "deleteSubscription",
      tag: "Subscriptions",
      summary: "Delete a subscription",
      description: "What waits is cancelled. The log stays.",
      permission: "webhooks.subscriptions.delete",
      params: idParams,
      ifMatch: true,
      responses: { 204: { description: "The subscription is deleted." } },
      handle: async ({ params: { id }, caller, ifVersion }) => {
        await subscriptions.delete(id, { by: caller.name, ifVersion });
        return { status: 204 };
      },
    }),
    route({
      method: "GET",
      path: "/subscriptions/{id}/versions",
      id: "listVersions",
      tag: "Subscriptions",
      summary: "List the versions of a subscription, newest first",
      permission: "webhooks.subscriptions.get",
      params: idParams,
      query: z.strictObject(pageQuery),
      responses: {
        200: { description: "A page.", schema: pageOf(subscriptionSchema), headers: LINK_HEADER },
      },
      handle: async ({ params: { id }, query, url }) =>
        pageAnswer(await subscriptions.versions(id, pageOptions(query)), url),
    }),
    route({
      method: "POST",
      path: "/subscriptions/{id}/secret",
      id: "rotateSecret",
      tag: "Subscriptions",
      summary: "Sign with a new secret from now on",
      permission: "webhooks.subscriptions.save",
      params: idParams,
      body: secretBody,
      bodyOptional: true,
      ifMatch: true,
      responses: { 200: { description: "The new secret.", schema: rotatedSecretSchema } },
      handle: async ({ params: { id }, body, caller, ifVersion }) => ({
        status: 200,
        body: await subscriptions.rotateSecret(id, { by: caller.name, ifVersion, ...body }),
      }),
    }),
    route({
      method: "POST",
      path: "/subscriptions/{id}/test",
      id: "testSubscription",
      tag: "Subscriptions",
      summary: "Send an example to the destination",
      description: "Through the real notifier and its guard. The log does not have it.",
      permission: "webhooks.subscriptions.save",
      params: idParams,
      body: testBody,
      bodyOptional: true,
      responses: { 200: { description: "How the attempt has ended.", schema: testResultSchema } },
      handle: async ({ params: { id }, body }) => ({
        status: 200,
        body: await test(id, {
          event: body?.event,
          payload: body?.payload as JsonValue | undefined,
        }),
      }),
    }),
  ];
}

function withTag(subscription: { readonly version: number }): Answer {
  return { status: 200, body: subscription, headers: { etag: etagOf(subscription.version) } };
}
