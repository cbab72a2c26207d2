import type { ConsumeSpec, Envelope, Settlement, SubscriptionSpec } from "@busbar/core/provider";
import { PLANTED } from "./secrets.ts";

/** The event that cases use where its name says nothing. */
export const EVENT = "order.placed";

/** The settlement of what was handled. */
export const ACK: Settlement = { type: "ack" };
/** Released, not counted. */
export const RELEASE: Settlement = { type: "release" };

/** The settlement of what failed and is tried again. */
export function retry(delayMs: number, state: { readonly [key: string]: number } = {}): Settlement {
  return { type: "retry", delayMs, state };
}

/** The settlement of what failed for good. */
export function dead(
  reason = "failed",
  state: { readonly [key: string]: number } = {},
): Settlement {
  return { type: "dead", reason, state };
}

/** An envelope as the bus makes it. What is logged and thrown is searched for the secret in its data. */
export function envelope(id: string, members: Partial<Envelope> = {}): Envelope {
  const now = Date.now();
  return {
    id,
    name: EVENT,
    data: { of: id, secret: PLANTED },
    metadata: { created_at: now, published_at: now, correlationId: id },
    ...members,
  };
}

/** Envelopes with the ids `<prefix>1` to `<prefix><count>`. */
export function envelopes(
  count: number,
  prefix = "event-",
  members: (index: number) => Partial<Envelope> = () => ({}),
): readonly Envelope[] {
  return Array.from({ length: count }, (_, index) =>
    envelope(`${prefix}${index + 1}`, members(index)),
  );
}

/** A subscription of {@link EVENT}. */
export function subscription(
  subscriptionId: string,
  members: Partial<SubscriptionSpec> = {},
): SubscriptionSpec {
  const { events = [EVENT], ordering = "none", onOrderedFailure = "park", aliases = [] } = members;
  return { subscriptionId, events, ordering, onOrderedFailure, aliases };
}

/** The same, consumed with ten slots. */
export function consumer(subscriptionId: string, members: Partial<ConsumeSpec> = {}): ConsumeSpec {
  return { ...subscription(subscriptionId, members), concurrency: members.concurrency ?? 10 };
}

/** What was carried, without members that are undefined: to JSON they are absent. */
export function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** A promise, and the means to fulfil it. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/** Makes a gate that is shut. */
export function createGate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
