import { z } from "zod";
import { retryPolicySchema } from "../subscriptions/schema.ts";

const time = z.iso.datetime({ offset: true });
const text = z.string();
const json = z.unknown();
const jsonObject = z.record(z.string(), z.unknown());
const count = z.int().min(0);

/** The id of something, as it stands in a path. */
export const idParams: z.ZodObject<{ id: z.ZodString }> = z.object({
  id: text.min(1).max(200).meta({ description: "The id of the resource." }),
});

/** A moment, as queries and bodies say it. */
export const moment: z.ZodType<string> = z
  .union([time, z.iso.date()], {
    error: "must be a date or a time of ISO 8601, such as 2026-11-30T08:00:00Z",
  })
  .meta({ examples: ["2026-11-30T08:00:00Z", "2026-11-30"] });

const secretInfo = z
  .object({
    id: text,
    type: z.enum(["v1", "v1a"]),
    publicKey: text.nullable(),
    createdAt: time,
    expiresAt: time.nullable(),
  })
  .meta({ id: "SecretInfo", description: "What of a secret may be seen." });

/** A subscription, as answers show it. */
export const subscriptionSchema: z.ZodObject = z
  .object({
    id: text,
    version: z.int().min(1),
    label: text.nullable(),
    events: z.array(text),
    destination: text,
    notifier: text,
    settings: jsonObject.meta({ description: 'Secret members say "[secret]".' }),
    scope: text.nullable(),
    filter: jsonObject.nullable(),
    payload: z.enum(["emitted", "once", "attempt"]),
    retry: retryPolicySchema,
    rate: z.object({ max: z.int(), perMs: z.int() }).nullable(),
    concurrency: z.int(),
    orderingKey: text.nullable(),
    onOrderedFailure: z.enum(["skip", "park"]),
    redact: z.array(text),
    enabled: z.boolean(),
    secrets: z.array(secretInfo),
    disabled: z
      .object({
        kind: z.enum(["manual", "gone", "failures", "failing"]),
        at: time,
        detail: text,
      })
      .nullable(),
    createdAt: time,
    createdBy: text.nullable(),
    modifiedAt: time,
    modifiedBy: text.nullable(),
    deletedAt: time.nullable(),
  })
  .meta({ id: "Subscription", description: "A webhook subscription." });

/** A subscription that was just created, with the secret that was made for it. */
export const createdSubscriptionSchema: z.ZodObject = subscriptionSchema
  .extend({
    secret: text.nullable().meta({
      description: "The secret that was made, if the request had none. It is shown this once.",
    }),
  })
  .meta({ id: "CreatedSubscription", description: "A new webhook subscription." });

/** The answer to a new secret. */
export const rotatedSecretSchema: z.ZodObject = z
  .object({
    subscription: subscriptionSchema,
    secret: text.meta({ description: "The new secret. It is shown this once." }),
  })
  .meta({ id: "RotatedSecret", description: "A subscription and its new secret." });

/** How many subscriptions a bulk action has changed. */
export const bulkResultSchema: z.ZodObject = z.object({ changed: count, unchanged: count }).meta({
  id: "BulkResult",
  description: "How many are different now, and how many were so before.",
});

/** What a test has come to. */
export const testResultSchema: z.ZodObject = z
  .object({
    ok: z.boolean(),
    retryable: z.boolean(),
    status: z.int().optional(),
    errorClass: text.optional(),
    error: text.optional(),
    durationMs: z.number(),
    requestHeaders: z.record(z.string(), text).optional(),
    response: text.optional(),
    retryAfterMs: z.number().optional(),
    gone: z.boolean().optional(),
  })
  .meta({ id: "TestResult", description: "How the attempt of a test has ended." });

/** The health of an endpoint. */
export const endpointStateSchema: z.ZodObject = z
  .object({
    subscriptionId: text,
    breaker: z.enum(["closed", "open", "half-open"]),
    failures: count,
    failingSince: time.nullable(),
    openUntil: time.nullable(),
    restsUntil: time.nullable(),
    waiting: count,
    running: count,
  })
  .meta({ id: "Endpoint", description: "How the endpoint of a subscription is." });

/** A delivery. */
export const deliverySchema: z.ZodObject = z
  .object({
    id: text,
    eventId: text,
    eventName: text,
    scope: text.nullable(),
    subscriptionId: text,
    subscriptionVersion: z.int(),
    destination: text,
    state: z.enum(["waiting", "retrying", "paused", "running", "delivered", "dead", "cancelled"]),
    statusText: text.meta({ examples: ["Delivered after 2 retries"] }),
    attempts: count,
    nextAttemptAt: time.nullable(),
    createdAt: time,
    firstAttemptAt: time.nullable(),
    lastAttemptAt: time.nullable(),
    lastStatus: z.int().nullable(),
    lastErrorClass: text.nullable(),
  })
  .meta({ id: "Delivery", description: "One event for one subscription." });

/** An attempt. */
export const attemptSchema: z.ZodObject = z
  .object({
    id: text,
    deliveryId: text.nullable(),
    eventId: text,
    eventName: text,
    subscriptionId: text.nullable(),
    number: count,
    trigger: z.enum(["first", "retry", "manual", "replay", "resolve"]),
    success: z.boolean(),
    status: z.int().nullable(),
    errorClass: text.nullable(),
    error: text.nullable(),
    startedAt: time,
    durationMs: z.number(),
    nextAttemptAt: time.nullable(),
    requestHeaders: z.record(z.string(), text),
    response: text.nullable(),
  })
  .meta({ id: "Attempt", description: "One attempt of a delivery, as the log has it." });

/** A delivery with everything that belongs to it. */
export const traceSchema: z.ZodObject = z
  .object({
    delivery: deliverySchema,
    payload: json,
    args: json,
    metadata: jsonObject,
    attempts: z.array(attemptSchema),
  })
  .meta({ id: "Trace", description: "A delivery from its first attempt to its latest." });

/** How far a replay is. */
export const replaySchema: z.ZodObject = z
  .object({
    id: text,
    query: text,
    state: z.enum(["running", "done", "cancelled", "failed"]),
    total: count,
    done: count,
    skipped: count,
    perSecond: z.number().nullable(),
    createdAt: time,
    createdBy: text.nullable(),
    finishedAt: time.nullable(),
    error: text.nullable(),
  })
  .meta({ id: "Replay", description: "Deliveries that are made again, and how far that is." });

/** What a replay of one event has begun. */
export const eventReplaySchema: z.ZodObject = z
  .object({ deliveries: count.nullable() })
  .meta({ id: "EventReplay", description: "How many deliveries were begun." });

/** How many there are of something. */
export const countSchema: z.ZodObject = z
  .object({ count })
  .meta({ id: "Count", description: "How many match." });

/** An event that can be subscribed to. */
export const catalogueEntrySchema: z.ZodObject = z
  .object({
    name: text,
    description: text.nullable(),
    permissions: z.array(text),
    schema: jsonObject.nullable(),
    example: json,
    deprecated: z.boolean(),
    hasResolver: z.boolean(),
  })
  .meta({ id: "CatalogueEntry", description: "An event that can be subscribed to." });

/** A notifier, with the form of its settings. */
export const notifierSchema: z.ZodObject = z
  .object({ name: text, title: text, signs: z.boolean(), settings: jsonObject })
  .meta({ id: "Notifier", description: "A kind of destination, and the form of its settings." });

/** Public keys. */
export const webKeySetSchema: z.ZodObject = z
  .object({ keys: z.array(z.record(z.string(), text)) })
  .meta({ id: "JsonWebKeySet", description: "Public keys, as RFC 7517 has them." });

/** A problem of RFC 9457. */
export const problemSchema: z.ZodObject = z
  .object({
    type: text,
    title: text,
    status: z.int(),
    detail: text,
    message: text,
    errors: z
      .array(
        z.object({
          pointer: text.optional(),
          parameter: text.optional(),
          header: text.optional(),
          position: count.optional(),
          detail: text,
        }),
      )
      .optional(),
  })
  .meta({ id: "Problem", description: "What is wrong with a request (RFC 9457)." });
