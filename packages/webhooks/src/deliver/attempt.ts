import {
  type JsonObject,
  type JsonValue,
  listed,
  safeError,
  systemClock,
} from "@busbar/core/provider";
import { isPassing } from "@busbar/sql/feature";
import type { ErrorClass, Notifier, NotifierResult } from "../contract/notifier.ts";
import type { Secret } from "../contract/subscription.ts";
import type { PayloadSource } from "../route/payloads.ts";
import type { Signer } from "../signing/signer.ts";
import type { Target } from "../subscriptions/targets.ts";
import type { ClaimedDelivery, StoredEvent } from "./claim.ts";
import { forLog } from "./for-log.ts";
import type { AttemptResult } from "./record.ts";

/** What attempts need of the other parts of webhooks. */
export interface AttemptParts {
  /** Resolves with the target of a subscription at a version, or at a later one. Undefined if there is no subscription. */
  readonly targetOf: (subscriptionId: string, version: number) => Promise<Target | undefined>;
  /** Makes the payload of an event anew. Undefined if the event's entity is gone and the event is dropped then. */
  readonly resolvePayload: (
    source: PayloadSource,
    signal: AbortSignal,
  ) => Promise<{ readonly json: string; readonly value: JsonValue } | undefined>;
  /** Reads what of an event was too long to be claimed with others. */
  readonly readLong: (delivery: ClaimedDelivery) => Promise<StoredEvent>;
  /** Signs for notifiers. */
  readonly signer: Signer;
  /** Milliseconds that a notifier has. */
  readonly attemptTimeoutMs: number;
}

/** What is sent. */
interface Content {
  readonly data: JsonValue;
  /** JSON, where it was made for this attempt. */
  readonly made: string | undefined;
}

/**
 * Attempts a delivery. Never rejects: what goes wrong is a result.
 *
 * @param startedAt When the attempt begins, by the clock of the store.
 * @param signal Ends the attempt.
 */
export async function attempt(
  delivery: ClaimedDelivery,
  parts: AttemptParts,
  startedAt: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  try {
    const { subscriptionId, subscriptionVersion } = delivery;
    const target = await targetFor(parts, subscriptionId, subscriptionVersion);
    const notifier = notifierOf(target);
    const secrets = target.secretsAt(new Date(startedAt));
    const content = await contentOf(delivery, parts, signal);
    if (!content) {
      const error = "The entity of the event is gone, and the event is dropped then";
      return { ok: false, retryable: false, errorClass: "resolve_failed", error, isDropped: true };
    }
    const result = await deliver(
      notifier,
      { delivery, target, secrets, content, startedAt },
      parts,
      signal,
    );
    return { ...forLog(result, secrets), payload: content.made };
  } catch (error) {
    if (error instanceof Failed) {
      const { errorClass, message, retryable } = error;
      return forLog({ ok: false, retryable, errorClass, error: message }, []);
    }
    return forLog(failureOf("unknown", messageOf(error)), []);
  }
}

/** Why an attempt did not come as far as its notifier. */
class Failed extends Error {
  readonly errorClass: ErrorClass;
  readonly retryable: boolean;

  constructor(errorClass: ErrorClass, message: string, retryable: boolean = true) {
    super(message);
    this.errorClass = errorClass;
    this.retryable = retryable;
  }
}

async function targetFor(
  { targetOf }: AttemptParts,
  subscriptionId: string,
  version: number,
): Promise<Target> {
  let target: Target | undefined;
  try {
    target = await targetOf(subscriptionId, version);
  } catch (error) {
    if (isPassing(error)) throw databaseAway(error);
    throw new Failed(
      "invalid_settings",
      `The settings of the subscription cannot be read: ${messageOf(error)}`,
    );
  }
  if (!target) throw new Failed("invalid_settings", "The subscription no longer exists");
  return target;
}

function notifierOf({ subscription, notifier, issues }: Target): Notifier {
  if (!notifier) {
    const reason = `This process has no notifier "${subscription.notifier}"`;
    throw new Failed("invalid_settings", reason);
  }
  if (issues.length === 0) return notifier;
  const reasons = issues.map(({ path, reason }) => `${path} ${reason}`);
  throw new Failed(
    "invalid_settings",
    `The notifier no longer accepts the settings: ${listed(reasons)}`,
  );
}

async function contentOf(
  delivery: ClaimedDelivery,
  { readLong, resolvePayload }: AttemptParts,
  signal: AbortSignal,
): Promise<Content | undefined> {
  const event = await eventOf(delivery, readLong);
  const { args, payload } = event;
  // Without arguments of its own the payload is the arguments.
  const isMade = args !== null && (delivery.payloadMode === "attempt" || payload === null);
  if (!isMade) return { data: JSON.parse(payload ?? "null") as JsonValue, made: undefined };
  const { id, name, scope, occurredAt } = event;
  const source = { id, name, scope, occurredAt, args: JSON.parse(args) as JsonValue };
  try {
    const made = await resolvePayload(source, signal);
    return made && { data: made.value, made: made.json };
  } catch (error) {
    const { errorClass = "resolve_failed", retryable = true } = error as Partial<Failed>;
    throw new Failed(errorClass, messageOf(error), retryable);
  }
}

async function eventOf(
  delivery: ClaimedDelivery,
  readLong: AttemptParts["readLong"],
): Promise<StoredEvent> {
  if (!delivery.event.isLong) return delivery.event;
  try {
    return await readLong(delivery);
  } catch (error) {
    if (isPassing(error)) throw databaseAway(error);
    throw error;
  }
}

/** An attempt that did not begin: it says nothing about the destination, and counts for nothing. */
function databaseAway(error: unknown): Failed {
  const message = `The database could not be read before the attempt: ${messageOf(error)}`;
  return new Failed("interrupted", message);
}

/** Has the notifier deliver, and does not wait for it longer than it may take. */
async function deliver(
  notifier: Notifier,
  {
    delivery,
    target,
    secrets,
    content,
    startedAt,
  }: {
    readonly delivery: ClaimedDelivery;
    readonly target: Target;
    readonly secrets: readonly Secret[];
    readonly content: Content;
    readonly startedAt: number;
  },
  { attemptTimeoutMs, signer }: AttemptParts,
  signal: AbortSignal,
): Promise<NotifierResult> {
  const { id, attempt: number, trigger, orderingKey, sequence, subscriptionId, event } = delivery;
  const controller = new AbortController();
  let over: (result: NotifierResult) => void = () => {};
  const isOver = new Promise<NotifierResult>((resolve) => (over = resolve));
  const stop = (): void => {
    controller.abort(signal.reason);
    over(failureOf("interrupted", STOPPED));
  };
  const timer = systemClock.setTimeout(() => {
    const error = `The notifier did not end within ${attemptTimeoutMs} ms`;
    controller.abort(new Error(error));
    over(failureOf("timeout", error));
  }, attemptTimeoutMs);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) return failureOf("interrupted", STOPPED);
    const now = new Date(startedAt);
    const request = {
      delivery: { id, attempt: number, trigger, orderingKey, sequence },
      event: {
        id: event.id,
        name: event.name,
        scope: event.scope,
        occurredAt: event.occurredAt,
        data: content.data,
        metadata: JSON.parse(event.metadata) as JsonObject,
      },
      subscription: {
        id: subscriptionId,
        destination: target.subscription.destination,
        secrets,
      },
      sign: signer.forAttempt({ id, timestamp: now, secrets }),
      settings: target.settings,
      now,
      signal: controller.signal,
    };
    return await Promise.race([notifier.deliver(request), isOver]);
  } finally {
    signal.removeEventListener("abort", stop);
    timer.cancel();
  }
}

/** What an attempt ends with that its process has no more time for. */
const STOPPED = "The process stopped before the attempt had ended";

function failureOf(errorClass: ErrorClass, error: string): NotifierResult {
  return { ok: false, retryable: true, errorClass, error };
}

function messageOf(error: unknown): string {
  return safeError(error).message;
}
