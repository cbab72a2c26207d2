import { isBusbarError } from "@busbar/core";
import { z } from "zod";
import type {
  SubscriptionChange,
  WebhookSubscription,
  WebhookSubscriptions,
} from "../../contract/subscription.ts";
import { newSubscriptionSchema } from "../../subscriptions/schema.ts";
import { type Fault, pointerTo, Problem, wrongBody } from "../problem.ts";
import { type AnyRoute, route } from "../route.ts";
import { type Row, readSearchCriteria, search } from "../search-criteria.ts";
import type { SubscriptionChanges } from "../subscription-changes.ts";
import { readBody } from "../validation.ts";

/** What Mage-OS and its packages call notifiers that have another name here. */
const NOTIFIERS: ReadonlyMap<string, string> = new Map([
  // As the announcement of the module spells it.
  ["amazon-eventbrige", "eventbridge"],
  ["amazon-eventbridge", "eventbridge"],
  ["event_bridge", "eventbridge"],
  ["aws_sqs", "sqs"],
  ["event_grid", "eventgrid"],
  ["azure_event_grid", "eventgrid"],
  ["gcp_pubsub", "pubsub"],
  ["pub_sub", "pubsub"],
]);

/** Where members of a subscription are in a body of Mage-OS. */
const MEMBERS: ReadonlyMap<string, string> = new Map([
  ["events", "event_name"],
  ["destination", "recipient_url"],
  ["notifier", "metadata"],
  ["secret", "verification_token"],
  ["scope", "store_id"],
  ["enabled", "status"],
]);

/** What a receiver of Mage-OS understands: its body, and its signature next to the standard one. */
const HTTP_SETTINGS = { format: "mageos", signatures: ["standard", "magento"] } as const;

/** Subscriptions that a list reads at most: it filters and sorts them in memory. */
const MAX_ROWS = 10_000;

const text = z.string();
const storeId = z
  .union([z.int().min(0), text.max(255)], { error: "must be a whole number or a text" })
  .meta({ description: "The scope. 0 means all." });
const status = z
  .union([z.boolean(), z.literal(0), z.literal(1)], { error: "must be true or false" })
  .meta({ description: "Whether events are delivered." });

const row = z
  .object({
    subscription_id: text,
    event_name: text.meta({ description: "Several events have commas between them." }),
    recipient_url: text,
    metadata: text.meta({ description: "The name of the notifier." }),
    status: z.boolean(),
    store_id: z.union([z.int(), text]),
    subscribed_at: text,
    modified: text,
  })
  .meta({ id: "AsyncEvent", description: "A subscription, as Mage-OS shows it." });

const members = {
  event_name: text.min(1).max(255),
  recipient_url: text.min(1).max(2_048),
  verification_token: text.min(1).max(200).meta({ writeOnly: true }),
  metadata: text.min(1).max(63).meta({ description: "The name of the notifier." }),
  store_id: storeId.optional(),
};

const createBody = z
  .strictObject({
    asyncEvent: z.strictObject({
      ...members,
      metadata: members.metadata.default("http"),
      status: status.optional(),
    }),
  })
  .meta({ id: "AsyncEventRequest", description: "A new subscription, in the words of Mage-OS." });

const updateBody = z
  .strictObject({
    asyncEvent: z.strictObject({ ...members, status, subscription_id: z.unknown() }).partial(),
  })
  .meta({ id: "AsyncEventChange", description: "What is to be changed, in the words of Mage-OS." });

const idParams = z.object({
  subscriptionId: text.min(1).max(200).meta({ description: "The id of the subscription." }),
});

/** The resources that clients of Mage-OS Async Events know. */
export function mageOsRoutes(
  subscriptions: WebhookSubscriptions,
  changes: SubscriptionChanges,
): readonly AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/rest/V1/async_event",
      id: "createAsyncEvent",
      tag: "Mage-OS",
      summary: "Create a subscription",
      description:
        "It is enabled. The notifier http sends the body and the signature of Mage-OS 3, next to the standard signature.",
      permission: "webhooks.subscriptions.create",
      body: createBody,
      bodyOfCurl: true,
      responses: { 200: { description: "The subscription.", schema: row } },
      handle: async ({ body: { asyncEvent }, caller }) => {
        const notifier = notifierOf(asyncEvent.metadata);
        const given = {
          events: [asyncEvent.event_name],
          destination: asyncEvent.recipient_url,
          secret: asyncEvent.verification_token,
          notifier,
          scope: scopeOf(asyncEvent.store_id),
          enabled: asyncEvent.status === undefined || Boolean(asyncEvent.status),
          ...(notifier === "http" && { settings: HTTP_SETTINGS }),
        };
        const created = await inWordsOfMageOs(() =>
          changes.create(caller, readBody(newSubscriptionSchema, given), { anySecret: true }),
        );
        return { status: 200, body: rowOf(created) };
      },
    }),
    route({
      method: "GET",
      path: "/rest/V1/async_event/{subscriptionId}",
      id: "getAsyncEvent",
      tag: "Mage-OS",
      summary: "Read a subscription",
      permission: "webhooks.subscriptions.get",
      params: idParams,
      responses: { 200: { description: "The subscription.", schema: row } },
      handle: async ({ params: { subscriptionId } }) => ({
        status: 200,
        body: rowOf(await changes.get(subscriptionId)),
      }),
    }),
    route({
      method: "GET",
      path: "/rest/V1/async_events",
      id: "listAsyncEvents",
      tag: "Mage-OS",
      summary: "Search subscriptions",
      permission: "webhooks.subscriptions.view",
      freeQuery: {
        searchCriteria:
          "Filter groups, sort orders, page size (100 by default, 500 at most) and page, as Magento has them.",
      },
      responses: {
        200: {
          description: "A page.",
          schema: z.object({
            items: z.array(row),
            search_criteria: z.looseObject({}),
            total_count: z.int(),
          }),
        },
      },
      handle: async ({ url }) => {
        const criteria = readSearchCriteria(url.searchParams, Object.keys(row.shape));
        const rows = search(await allRows(subscriptions), criteria);
        const { pageSize, currentPage, filterGroups, sortOrders } = criteria;
        return {
          status: 200,
          body: {
            items: rows.slice((currentPage - 1) * pageSize, currentPage * pageSize),
            search_criteria: {
              filter_groups: filterGroups.map((filters) => ({
                filters: filters.map(({ field, value, conditionType }) => ({
                  field,
                  value,
                  condition_type: conditionType,
                })),
              })),
              sort_orders: sortOrders.map(({ field, descending }) => ({
                field,
                direction: descending ? "DESC" : "ASC",
              })),
              page_size: pageSize,
              current_page: currentPage,
            },
            total_count: rows.length,
          },
        };
      },
    }),
    route({
      method: "PUT",
      path: "/rest/V1/async_event/{subscriptionId}",
      id: "changeAsyncEvent",
      tag: "Mage-OS",
      summary: "Change what is given, and leave the rest",
      description:
        "Mage-OS changes `status` and `metadata` only. A `verification_token` becomes the newest secret; the old one signs for another day.",
      permission: "webhooks.subscriptions.save",
      params: idParams,
      body: updateBody,
      responses: { 200: { description: "The subscription.", schema: row } },
      handle: async ({ params: { subscriptionId: id }, body: { asyncEvent }, caller }) => {
        const change: SubscriptionChange = {
          ...(asyncEvent.event_name !== undefined && { events: [asyncEvent.event_name] }),
          ...(asyncEvent.recipient_url !== undefined && { destination: asyncEvent.recipient_url }),
          ...(asyncEvent.metadata !== undefined && { notifier: notifierOf(asyncEvent.metadata) }),
          ...(asyncEvent.store_id !== undefined && { scope: scopeOf(asyncEvent.store_id) }),
          ...(asyncEvent.status !== undefined && { enabled: Boolean(asyncEvent.status) }),
        };
        const changed = await inWordsOfMageOs(async () => {
          const subscription = await changes.update(caller, id, change, undefined);
          const secret = asyncEvent.verification_token;
          if (secret === undefined) return subscription;
          const options = { by: caller.name, secret, anySecret: true };
          return (await subscriptions.rotateSecret(id, options)).subscription;
        });
        return { status: 200, body: rowOf(changed) };
      },
    }),
  ];
}

function notifierOf(metadata: string): string {
  return NOTIFIERS.get(metadata.toLowerCase()) ?? metadata;
}

function scopeOf(store: string | number | undefined): string | null {
  return store === undefined || store === 0 || store === "0" || store === "" ? null : String(store);
}

/** A subscription as Mage-OS shows it: never with its token. */
function rowOf(subscription: WebhookSubscription): Row {
  const { scope } = subscription;
  return {
    subscription_id: subscription.id,
    event_name: subscription.events.join(","),
    recipient_url: subscription.destination,
    metadata: subscription.notifier,
    status: subscription.enabled,
    store_id: scope === null ? 0 : /^[1-9]\d{0,8}$/.test(scope) ? Number(scope) : scope,
    subscribed_at: magentoTime(subscription.createdAt),
    modified: magentoTime(subscription.modifiedAt),
  };
}

/** `2026-11-30 08:00:00`, in UTC. */
function magentoTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}

async function allRows(subscriptions: WebhookSubscriptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const page = await subscriptions.list({}, { limit: 500, cursor });
    rows.push(...page.items.map((subscription) => rowOf(subscription)));
    cursor = page.cursor ?? undefined;
    if (rows.length > MAX_ROWS) {
      throw new Problem(
        "conflict",
        `There are more than ${MAX_ROWS} subscriptions: use /subscriptions`,
      );
    }
  } while (cursor !== undefined);
  return rows;
}

/** Lets problems name the members that the client has sent. */
async function inWordsOfMageOs<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const faults = faultsOf(error);
    if (faults.length === 0) throw error;
    throw wrongBody(
      faults.map((fault) => {
        const [, member = "", ...rest] = (fault.pointer ?? "#").split("/");
        const name = MEMBERS.get(member);
        return {
          ...fault,
          pointer: name === undefined ? "#/asyncEvent" : `#/asyncEvent/${name}`,
          detail:
            name === undefined && member !== ""
              ? `${[member, ...rest].join(".")} ${fault.detail}`
              : fault.detail,
        };
      }),
    );
  }
}

function faultsOf(error: unknown): readonly Fault[] {
  if (error instanceof Problem) return error.code === "invalid-body" ? error.errors : [];
  if (!isBusbarError(error, "BUSBAR_INVALID_REQUEST")) return [];
  return error.details.issues.map(({ path, reason }) => ({
    pointer: pointerTo(path),
    detail: reason,
  }));
}
