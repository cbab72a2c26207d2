import type { JsonObject } from "@busbar/core/provider";
import type { Catalogue } from "../catalogue/catalogue.ts";
import { isOperational } from "../catalogue/operational-events.ts";
import type { ActiveSubscription, ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import type { PayloadMode } from "../contract/subscription.ts";
import { deliveryIdOf } from "./delivery-id.ts";
import { valueAt } from "./ordering-key.ts";
import type { Payload, Payloads, PayloadSource } from "./payloads.ts";
import type { RoutedDelivery, RoutedEvent } from "./route-writer.ts";

/** An event, and what was made of it so far. */
export interface Routing {
  readonly source: PayloadSource;
  readonly orderingKey: string | null;
  readonly metadata: JsonObject;
  /** The payload of the time of the emit, if there is one. */
  readonly snapshot: Payload | undefined;
  /** The payload that was made before, if there is one. */
  readonly payload?: Payload | undefined;
  readonly subscriptions: readonly ActiveSubscription[];
}

/** What an event is delivered as. */
export interface Matched {
  readonly routed: RoutedEvent;
  /** Whether those who need the payload get nothing, because the entity is gone. */
  readonly isDropped: boolean;
}

/**
 * The subscriptions that want an event, whatever its payload is. An operational event goes only to those who ask for such
 * events, and never to the subscription that it is about.
 */
export function subscriptionsFor(
  active: ActiveSubscriptions,
  name: string,
  scope: string | null,
  data: unknown,
): readonly ActiveSubscription[] {
  const matching = active.matching(name, scope);
  if (!isOperational(name)) return matching;
  const { subscriptionId } = data as { readonly subscriptionId?: unknown };
  return matching.filter(({ id, events }) => id !== subscriptionId && events.some(isOperational));
}

/**
 * Applies the filters of subscriptions, and makes the payload if one is needed.
 *
 * @throws PayloadError if the payload cannot be made.
 */
export async function matchEvent(
  routing: Routing,
  parts: { readonly payloads: Payloads; readonly catalogue: Catalogue },
  signal: AbortSignal,
): Promise<Matched> {
  const { source, snapshot, subscriptions, metadata } = routing;
  const modeOf = ({ payload }: ActiveSubscription): PayloadMode =>
    payload === "emitted" && snapshot === undefined ? "once" : payload;
  const needsPayload = subscriptions.some(
    (it) => modeOf(it) === "once" || (modeOf(it) === "attempt" && readsPayload(it)),
  );
  const once = needsPayload
    ? (routing.payload ?? (await parts.payloads.resolve(source, signal)))
    : undefined;
  const { retry, resolve } = parts.catalogue.get(source.name) ?? {};
  const deliveries: RoutedDelivery[] = [];
  for (const subscription of subscriptions) {
    const payloadMode = modeOf(subscription);
    const payload = payloadMode === "emitted" ? snapshot : once;
    if (payload === undefined && (payloadMode === "once" || readsPayload(subscription))) continue;
    const { hasFilter } = subscription;
    if (hasFilter && !subscription.passes({ ...source, metadata, data: payload!.value })) continue;
    deliveries.push({
      id: deliveryIdOf(source.id, subscription.id),
      subscriptionId: subscription.id,
      subscriptionVersion: subscription.version,
      payloadMode,
      orderingKey: orderingKeyFor(subscription, routing.orderingKey, payload),
      noRetry: retry === false,
    });
  }
  const has = (mode: PayloadMode): boolean => deliveries.some((it) => it.payloadMode === mode);
  const argsArePayload = resolve === undefined && has("once");
  const routed: RoutedEvent = {
    id: source.id,
    name: source.name,
    scope: source.scope,
    orderingKey: routing.orderingKey,
    args: argsArePayload ? null : JSON.stringify(source.args),
    payload: has("once") ? (once?.json ?? null) : null,
    snapshot: has("emitted") ? (snapshot?.json ?? null) : null,
    metadata: JSON.stringify(metadata),
    occurredAt: source.occurredAt.getTime(),
    deliveries,
  };
  return { routed, isDropped: needsPayload && once === undefined };
}

/** Whether an event is matched, or ordered, by what is in its payload. */
function readsPayload({ hasFilter, orderingKey }: ActiveSubscription): boolean {
  return hasFilter || (orderingKey !== null && orderingKey !== EVENT_KEY);
}

/** The ordering key of a subscription that means the one of the event. */
const EVENT_KEY = "$event";

function orderingKeyFor(
  { orderingKey }: ActiveSubscription,
  eventKey: string | null,
  payload: Payload | undefined,
): string | null {
  if (orderingKey === null) return null;
  if (orderingKey === EVENT_KEY) return eventKey;
  return payload === undefined ? null : valueAt(payload.value, orderingKey);
}
