import type { Issue } from "@busbar/core";
import { type JsonObject, toIssues, unknownKeyReason } from "@busbar/core/provider";
import { z } from "zod";
import type { RetryPolicy } from "../contract/retry-policy.ts";
import type {
  ChangeOptions,
  PageOptions,
  SecretOptions,
  SubscriptionFilter,
  SubscriptionSettings,
} from "../contract/subscription.ts";
import { eventFilterSchema } from "../filter/filter-schema.ts";
import { isJsonObject } from "../contract/json-object.ts";

/** Milliseconds. */
const DAY_MS = 86_400_000;
const WEEK_MS: number = 7 * DAY_MS;
const MONTH_MS: number = 30 * DAY_MS;
const YEAR_MS: number = 365 * DAY_MS;
/** Characters of a JSON text. */
const MAX_JSON = 65_536;
const TOO_LONG = `must have at most ${MAX_JSON} characters as JSON`;
/** Objects and arrays within each other. */
const MAX_LEVELS = 50;

/** What a new subscription says, with defaults for what it leaves out. */
export type ParsedSubscription = SubscriptionSettings & { readonly secret?: string | undefined };

/** What a change says. What is undefined stays as it is. */
export type ParsedChange = {
  readonly [Name in keyof SubscriptionSettings]?: SubscriptionSettings[Name] | undefined;
};

/** How a secret is to be rotated. */
export interface ParsedRotation extends ChangeOptions, SecretOptions {
  readonly secret?: string | undefined;
  readonly graceMs?: number | undefined;
}

const selector: z.ZodType<string> = text(255)
  .regex(/^(?:\*\*|(?:\*|[^\s.*]*)(?:\.(?:\*|[^\s.*]*))*(?:\.\*\*)?)$/u, {
    error:
      "must be a name without spaces, or a pattern in which * stands for one whole segment and ** for the last ones",
  })
  .meta({
    id: "EventSelector",
    description:
      "The name of an event, or a pattern: `order.*` is one more segment, `order.**` one or more, `*` every event.",
    examples: ["order.placed", "order.*", "*"],
  });

/** A path of members, such as `order.id`. */
const path = text(255).regex(/^[^\s.]+(?:\.[^\s.]+)*$/u, {
  error: "must be names of members with dots between them, such as order.id",
});

const limits = {
  maxAgeMs: whole(1, YEAR_MS)
    .meta({ description: "Milliseconds after which a delivery is not attempted again." })
    .optional(),
  retryAfterMaxMs: whole(0, MONTH_MS)
    .meta({
      description: "Milliseconds that a `Retry-After` may ask for at most.",
      default: DAY_MS,
    })
    .optional(),
  jitter: number(0, 1)
    .meta({ description: "The share by which a delay is made shorter or longer at random." })
    .optional(),
};
const retries = whole(0, 100).meta({
  description: "How often a failed delivery is attempted again.",
});
const maxMs = whole(1, MONTH_MS)
  .meta({ description: "The longest delay, in milliseconds.", default: 3_600_000 })
  .optional();

/** The schema of a retry policy. */
export const retryPolicySchema: z.ZodType<RetryPolicy> = z
  .discriminatedUnion(
    "type",
    [
      strict({ type: z.literal("standard"), ...limits }),
      strict({ type: z.literal("mageos"), ...limits }),
      strict({
        type: z.literal("exponential"),
        retries,
        initialMs: whole(1, MONTH_MS),
        factor: number(1, 10).optional(),
        maxMs,
        ...limits,
      }),
      strict({ type: z.literal("linear"), retries, stepMs: whole(1, MONTH_MS), maxMs, ...limits }),
      strict({
        type: z.literal("schedule"),
        delaysMs: list(whole(0, MONTH_MS), 1, 100),
        ...limits,
      }),
      strict({ type: z.literal("none"), ...limits }),
    ],
    {
      error: ({ input }) =>
        isJsonObject(input)
          ? 'must be "standard", "mageos", "exponential", "linear", "schedule" or "none"'
          : "must be an object",
    },
  )
  .meta({
    id: "RetryPolicy",
    description: "When failed deliveries are attempted again.",
    examples: [
      { type: "standard" },
      { type: "exponential", retries: 8, initialMs: 1_000, maxMs: 3_600_000 },
    ],
  });

/** Each setting on its own, without its default. */
const settings = {
  label: text(200).nullable().meta({ description: "What people call the subscription." }),
  events: list(selector, 1, 100).meta({
    description: "The events that the subscription wants: names and patterns.",
    examples: [["order.placed", "customer.*"]],
  }),
  destination: text(2_048).meta({
    description: "Where deliveries go: a URL, a queue, an ARN, as the notifier has it.",
    examples: ["https://example.com/hooks"],
  }),
  notifier: text(63).meta({
    description: "The name of the notifier that takes deliveries to the destination.",
    examples: ["http"],
  }),
  settings: json().meta({
    description:
      "What the notifier wants to know besides, in the shape of its own schema. Secret members are read back as `[secret]`, and a change that sends `[secret]` keeps the stored value.",
  }),
  scope: text(255).nullable().meta({
    description: "Only events of this scope, such as a shop or a tenant. Null: of all scopes.",
  }),
  filter: eventFilterSchema
    .refine(isSmall, { error: TOO_LONG })
    .nullable()
    .meta({
      description: "Only events that pass. Null: all.",
      examples: [{ "data.total": { $gte: 100 } }],
    }),
  payload: choice(["emitted", "once", "attempt"]).meta({
    description:
      "When the payload is made: when the event is emitted, once before the first attempt, or anew for each attempt.",
  }),
  retry: retryPolicySchema,
  rate: strict({ max: whole(1, 1_000_000), perMs: whole(1, DAY_MS) })
    .nullable()
    .meta({
      description:
        "How many attempts may begin in any period of `perMs` milliseconds. Null: no limit.",
      examples: [{ max: 10, perMs: 1_000 }],
    }),
  concurrency: whole(1, 1_000).meta({ description: "Attempts that may run at the same time." }),
  orderingKey: path.nullable().meta({
    description:
      "What deliveries have in common that must arrive in order: `$event`, the ordering key of the event, or the path of a value in the payload. Null: no order.",
    examples: ["$event", "order.id"],
  }),
  onOrderedFailure: choice(["skip", "park"]).meta({
    description:
      "Whether a dead delivery is skipped, or holds up the next ones of its ordering key until it is replayed or cancelled.",
  }),
  redact: list(path, 0, 100).meta({
    description: "Paths in the payload whose values the log shows as `[redacted]`.",
    examples: [["customer.email"]],
  }),
  enabled: z.boolean().meta({ description: "Whether events are delivered." }),
};

const secret = text(1_024).meta({
  description:
    "Signs deliveries: `whsec_…`, `whsk_…`, or a text of at least 24 bytes. Made at random if it is left out and the notifier signs.",
  writeOnly: true,
});

const anySecret = z
  .boolean()
  .optional()
  .meta({ description: "Whether a secret may be any text, as those of Mage-OS.", default: false });

const changeOptions = {
  by: text(255).optional().meta({ description: "Who asks for the change." }),
  ifVersion: whole(1, 2 ** 31 - 1)
    .optional()
    .meta({ description: "The version that is to be changed: another one is refused." }),
};

/** The schema of a new subscription. */
export const newSubscriptionSchema: z.ZodType<ParsedSubscription> = strict({
  label: settings.label.default(null),
  events: settings.events,
  destination: settings.destination,
  notifier: settings.notifier.default("http"),
  settings: settings.settings.default({}),
  scope: settings.scope.default(null),
  filter: settings.filter.default(null),
  payload: settings.payload.default("once"),
  retry: settings.retry.default({ type: "standard" }),
  rate: settings.rate.default(null),
  concurrency: settings.concurrency.default(10),
  orderingKey: settings.orderingKey.default(null),
  onOrderedFailure: settings.onOrderedFailure.default("skip"),
  redact: settings.redact.default([]),
  enabled: settings.enabled.default(true),
  secret: secret.optional(),
}).meta({
  id: "NewSubscription",
  description: "A new webhook subscription. What is left out has its default.",
  examples: [{ events: ["order.placed"], destination: "https://example.com/hooks" }],
});

/** The schema of a change of a subscription. */
export const subscriptionChangeSchema: z.ZodType<ParsedChange> = strict(settings)
  .partial()
  .meta({
    id: "SubscriptionChange",
    description:
      "What is to be changed of a webhook subscription. What is left out stays as it is.",
    examples: [{ enabled: false }],
  });

/** The schema of what a search for subscriptions asks for. */
export const subscriptionFilterSchema: z.ZodType<SubscriptionFilter> = strict({
  ids: list(text(64), 0, 10_000)
    .optional()
    .meta({ description: "Subscriptions with one of these ids." }),
  event: text(255)
    .optional()
    .meta({
      description: "Subscriptions that want an event of this name.",
      examples: ["order.placed"],
    }),
  notifier: text(63).optional().meta({ description: "Subscriptions of this notifier." }),
  scope: text(255)
    .nullable()
    .optional()
    .meta({ description: "Subscriptions of this scope. Null: those without one." }),
  enabled: z
    .boolean()
    .optional()
    .meta({ description: "Subscriptions that are enabled, or those that are not." }),
  text: text(255).optional().meta({ description: "A part of the destination or of the label." }),
  deleted: z.boolean().optional().meta({
    description: "Deleted subscriptions instead of those that are there.",
    default: false,
  }),
}).meta({
  id: "SubscriptionFilter",
  description: "Which webhook subscriptions are meant. Everything that is given must fit.",
});

/** The schema of which page of a list is wanted. */
export const pageOptionsSchema: z.ZodType<PageOptions> = strict({
  limit: whole(1, 500).optional().meta({ description: "Items of a page.", default: 50 }),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, { error: "must be the cursor of the page before" })
    .optional()
    .meta({ description: "The `cursor` of the page before." }),
});

/** The schema of who asks for a change, and of which version. */
export const changeOptionsSchema: z.ZodType<ChangeOptions> = strict(changeOptions);

/** The schema of who makes a subscription, and with which secret. */
export const createOptionsSchema: z.ZodType<ChangeOptions & SecretOptions> = strict({
  ...changeOptions,
  anySecret,
});

/** The schema of how a secret is rotated. */
export const rotateSecretSchema: z.ZodType<ParsedRotation> = strict({
  ...changeOptions,
  anySecret,
  secret: secret.optional(),
  graceMs: whole(0, WEEK_MS).optional().meta({
    description:
      "Milliseconds for which deliveries are signed with the previous secrets as well. 0 ends them at once.",
    default: DAY_MS,
  }),
}).meta({ id: "SecretRotation", description: "How the secret of a subscription is rotated." });

/**
 * Checks a value against a schema.
 *
 * @returns What the schema made of the value; and everything that is wrong, in words that follow the path of a member.
 */
export function readWith<T>(schema: z.ZodType<T>, value: unknown): ReadResult<T> {
  if (isNestedDeeper(value, MAX_LEVELS)) {
    return {
      issues: [{ path: "", reason: `must not be nested deeper than ${MAX_LEVELS} levels` }],
    };
  }
  const { data, error } = schema.safeParse(value, { error: reasonOf });
  if (!error) return { value: data as T, issues: [] };
  const issues = error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.message.split("\n").map((message, index) => ({
          path: [...issue.path, issue.keys[index]!],
          message,
        }))
      : [issue],
  );
  return { issues: toIssues(issues, undefined) };
}

/** What {@link readWith} returns. */
export interface ReadResult<T> {
  /** Undefined if something is wrong. */
  readonly value?: T;
  /** Empty if nothing is wrong. */
  readonly issues: readonly Issue[];
}

function reasonOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") return `must be ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === "invalid_union") return "must be a JSON value";
  return undefined;
}

const KINDS: Readonly<Record<string, string>> = {
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "an array",
  string: "a string",
};

/** An object that refuses unknown members, and names the known one that is nearest. */
function strict<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => unknownReason(key, known)).join("\n")
        : undefined,
  });
}

function text(most: number): z.ZodString {
  const error = `must be a string of 1 to ${most} characters`;
  return z
    .string({ error })
    .min(1, { error, abort: true })
    .max(most, { error, abort: true })
    .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), {
      error: "must be well-formed, and have no control characters",
    });
}

function whole(least: number, most: number): z.ZodInt {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error, abort: true }).min(least, { error }).max(most, { error });
}

function number(least: number, most: number): z.ZodNumber {
  const error = `must be a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

function list<Item extends z.ZodType>(item: Item, least: number, most: number): z.ZodArray<Item> {
  const error = `must have ${least} to ${most} items`;
  return z.array(item).min(least, { error }).max(most, { error });
}

function choice<const Value extends string>(values: readonly Value[]): z.ZodType<Value> {
  const error = `must be ${values.map((value) => JSON.stringify(value)).join(" or ")}`;
  return z.enum(values, { error });
}

function json(): z.ZodType<JsonObject> {
  return z
    .record(z.string(), z.json())
    .refine(isSmall, { error: TOO_LONG }) as z.ZodType<JsonObject>;
}

/** False also for what is no JSON at all. */
function isSmall(value: unknown): boolean {
  try {
    return JSON.stringify(value).length <= MAX_JSON;
  } catch {
    return false;
  }
}

/** A long key is compared with no other: that would take long, and it is no misspelling. */
function unknownReason(key: string, known: readonly string[]): string {
  return key.length > 100 ? "unknown key" : unknownKeyReason(key, known);
}

/** Not recursive: a value that is nested deeply enough would overflow the stack, here and in every schema. */
function isNestedDeeper(value: unknown, levels: number): boolean {
  // Each object once in a level: those that are in each other would be ever more.
  let level: ReadonlySet<unknown> = new Set([value]);
  for (let depth = 0; depth <= levels; depth += 1) {
    const next = new Set<unknown>();
    for (const each of level) {
      if (typeof each === "object" && each !== null)
        for (const member of Object.values(each)) next.add(member);
    }
    if (next.size === 0) return false;
    level = next;
  }
  return true;
}
