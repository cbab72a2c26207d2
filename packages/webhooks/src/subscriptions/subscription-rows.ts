import type { SqlRow, SqlValue } from "@busbar/sql";
import type {
  DisabledReason,
  Secret,
  SecretInfo,
  SubscriptionSettings,
  WebhookSubscription,
} from "../contract/subscription.ts";
import { textOf, timeOf, wholeOf } from "../store/webhook-store.ts";
import type { SecretMember } from "./secret-members.ts";

/** The columns that a subscription and each of its versions have. */
const VERSION_COLUMNS = [
  "id",
  "version",
  "enabled",
  "notifier",
  "destination",
  "label",
  "scope",
  "events",
  "options",
  "secrets",
  "disabled_kind",
  "disabled_at",
  "disabled_detail",
  "created_at",
  "created_by",
  "modified_at",
  "modified_by",
  "deleted_at",
] as const;

/** The columns of every version, as SQL lists them. */
export const VERSION_LIST: string = VERSION_COLUMNS.join(", ");

/** The columns of a subscription, as SQL lists them. */
export const SUBSCRIPTION_LIST: string = [...VERSION_COLUMNS, "number", "revision", "sealed"].join(
  ", ",
);

/** A subscription as the store has it. */
export interface StoredSubscription {
  /** What callers may see. */
  readonly subscription: WebhookSubscription;
  /** Counts subscriptions in the order in which they were made. */
  readonly number: number;
  /** The version of all subscriptions together with which it was changed last. */
  readonly revision: number;
  /** What is secret, encrypted. Null once the subscription is deleted. */
  readonly sealed: string | null;
}

/** What is secret of a subscription. */
export interface SealedParts {
  /** The texts of its secrets, by their ids. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The secret members of its settings. */
  readonly settings: readonly SecretMember[];
}

/** The settings that have no column of their own. */
type Options = Omit<
  SubscriptionSettings,
  "label" | "events" | "destination" | "notifier" | "scope" | "enabled"
>;

/** Reads a row with the columns of {@link SUBSCRIPTION_LIST}. */
export function storedOf(row: SqlRow): StoredSubscription {
  return {
    subscription: subscriptionOf(row),
    number: wholeOf(row["number"]),
    revision: wholeOf(row["revision"]),
    sealed: textOf(row["sealed"]),
  };
}

/** Reads a row with the columns of {@link VERSION_LIST}. */
export function subscriptionOf(row: SqlRow): WebhookSubscription {
  const options = JSON.parse(String(row["options"])) as Options;
  const secrets = JSON.parse(String(row["secrets"])) as readonly StoredSecret[];
  return {
    id: String(row["id"]),
    version: wholeOf(row["version"]),
    label: textOf(row["label"]),
    events: JSON.parse(String(row["events"])) as readonly string[],
    destination: String(row["destination"]),
    notifier: String(row["notifier"]),
    settings: options.settings,
    scope: textOf(row["scope"]),
    filter: options.filter,
    payload: options.payload,
    retry: options.retry,
    rate: options.rate,
    concurrency: options.concurrency,
    orderingKey: options.orderingKey,
    onOrderedFailure: options.onOrderedFailure,
    redact: options.redact,
    enabled: wholeOf(row["enabled"]) === 1,
    secrets: secrets.map(({ createdAt, expiresAt, ...info }) => ({
      ...info,
      createdAt: new Date(createdAt),
      expiresAt: timeOf(expiresAt),
    })),
    disabled: disabledOf(row),
    createdAt: new Date(wholeOf(row["created_at"])),
    createdBy: textOf(row["created_by"]),
    modifiedAt: new Date(wholeOf(row["modified_at"])),
    modifiedBy: textOf(row["modified_by"]),
    deletedAt: timeOf(row["deleted_at"]),
  };
}

/** What a subscription has in the columns of {@link VERSION_LIST}. */
export function columnsOf(subscription: WebhookSubscription): Readonly<Record<string, SqlValue>> {
  const { settings, filter, payload, retry, rate, concurrency } = subscription;
  const { orderingKey, onOrderedFailure, redact, disabled } = subscription;
  const options: Options = {
    settings,
    filter,
    payload,
    retry,
    rate,
    concurrency,
    orderingKey,
    onOrderedFailure,
    redact,
  };
  return {
    id: subscription.id,
    version: subscription.version,
    enabled: subscription.enabled ? 1 : 0,
    notifier: subscription.notifier,
    destination: subscription.destination,
    label: subscription.label,
    scope: subscription.scope,
    events: JSON.stringify(subscription.events),
    options: JSON.stringify(options),
    secrets: JSON.stringify(subscription.secrets.map(storedSecret)),
    disabled_kind: disabled?.kind ?? null,
    disabled_at: disabled?.at.getTime() ?? null,
    disabled_detail: disabled?.detail ?? null,
    created_at: subscription.createdAt.getTime(),
    created_by: subscription.createdBy,
    modified_at: subscription.modifiedAt.getTime(),
    modified_by: subscription.modifiedBy,
    deleted_at: subscription.deletedAt?.getTime() ?? null,
  };
}

/** The secrets of a subscription, newest first. */
export function secretsOf(
  { secrets }: Pick<WebhookSubscription, "secrets">,
  parts: SealedParts,
): readonly Secret[] {
  return secrets.map((info) => ({ ...info, value: parts.secrets[info.id] ?? "" }));
}

/** What may be seen of a secret, as JSON has it. */
interface StoredSecret extends Omit<SecretInfo, "createdAt" | "expiresAt"> {
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

function storedSecret({ id, type, publicKey, createdAt, expiresAt }: SecretInfo): StoredSecret {
  return {
    id,
    type,
    publicKey,
    createdAt: createdAt.getTime(),
    expiresAt: expiresAt?.getTime() ?? null,
  };
}

function disabledOf(row: SqlRow): DisabledReason | null {
  const at = timeOf(row["disabled_at"]);
  if (at === null) return null;
  return {
    kind: String(row["disabled_kind"]) as DisabledReason["kind"],
    at,
    detail: String(row["disabled_detail"]),
  };
}
