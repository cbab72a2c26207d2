import { randomUUID } from "node:crypto";
import { type JsonValue, matchesPattern, quoted, systemClock } from "@busbar/core/provider";
import type { CatalogueEntry } from "../contract/async-event.ts";
import type { SubscriptionTest, SubscriptionTestResult } from "../contract/subscription-test.ts";
import type { WebhookSubscription } from "../contract/subscription.ts";
import { invalidRequest, notFound } from "../errors.ts";
import { Signer } from "../signing/signer.ts";
import type { Target } from "../subscriptions/targets.ts";
import { attempt } from "./attempt.ts";
import type { ClaimedDelivery } from "./claim.ts";

/** What {@link SubscriptionTester} needs. */
export interface TesterParts {
  readonly subscriptions: { get(id: string): Promise<WebhookSubscription | undefined> };
  readonly targets: { of(id: string, version: number): Promise<Target | undefined> };
  readonly catalogue: { entries(): readonly CatalogueEntry[] };
  /** The clock of the store, in milliseconds since the epoch. */
  readonly now: () => Promise<number>;
  /** Milliseconds that a notifier has. */
  readonly attemptTimeoutMs: number;
}

/** Sends examples to destinations, as attempts that leave no trace in the store. */
export class SubscriptionTester {
  readonly #parts: TesterParts;
  readonly #signer = new Signer();

  constructor(parts: TesterParts) {
    this.#parts = parts;
  }

  /**
   * Attempts one delivery with the present notifier, settings and secrets of a subscription, even if it is disabled.
   * What the destination does is in the result.
   *
   * @param signal Ends the attempt.
   * @throws BusbarError `BUSBAR_NOT_FOUND` without the subscription; `BUSBAR_INVALID_REQUEST` without a payload.
   */
  async test(
    id: string,
    given: SubscriptionTest,
    signal: AbortSignal,
  ): Promise<SubscriptionTestResult> {
    const { subscriptions, targets, now, attemptTimeoutMs } = this.#parts;
    const subscription = await subscriptions.get(id);
    if (!subscription || subscription.deletedAt) throw notFound("webhook subscription", id);
    const { name, payload } = this.#contentOf(subscription, given);
    const startedAt = await now();
    const delivery = deliveryOf(subscription, name, JSON.stringify(payload), startedAt);
    const begun = systemClock.monotonic();
    const result = await attempt(
      delivery,
      {
        targetOf: (subscriptionId, version) => targets.of(subscriptionId, version),
        // The payload is there: nothing is made, and nothing is read.
        resolvePayload: () => Promise.resolve(undefined),
        readLong: () => Promise.resolve(delivery.event),
        signer: this.#signer,
        attemptTimeoutMs,
      },
      startedAt,
      signal,
    );
    return { ...result, durationMs: Math.round(systemClock.monotonic() - begun) };
  }

  #contentOf(
    { events }: WebhookSubscription,
    given: SubscriptionTest,
  ): { readonly name: string; readonly payload: JsonValue } {
    const entries = this.#parts.catalogue.entries();
    const entry = entries.find(({ name }) =>
      given.event === undefined
        ? events.some((pattern) => matchesPattern(pattern, name))
        : name === given.event,
    );
    const name = given.event ?? entry?.name ?? events.find((event) => !event.includes("*"));
    const payload = given.payload ?? entry?.example ?? undefined;
    if (name === undefined) {
      throw invalidRequest("webhooks.test()", [
        { path: "event", reason: "must be given: no event matches the subscription" },
      ]);
    }
    if (payload !== undefined) return { name, payload };
    const reason = `must be given: the event ${quoted(name)} has no example`;
    throw invalidRequest("webhooks.test()", [{ path: "payload", reason }]);
  }
}

function deliveryOf(
  { id, version }: WebhookSubscription,
  name: string,
  payload: string,
  startedAt: number,
): ClaimedDelivery {
  const eventId = randomUUID();
  return {
    number: 0,
    id: randomUUID(),
    orderingKey: null,
    subscriptionId: id,
    subscriptionVersion: version,
    claim: "",
    attempt: 1,
    trigger: "manual",
    retriesMade: 0,
    since: startedAt,
    noRetry: true,
    sequence: null,
    payloadMode: "once",
    isProbe: false,
    event: {
      id: eventId,
      name,
      scope: null,
      occurredAt: new Date(startedAt),
      metadata: "{}",
      args: null,
      payload,
      isLong: false,
    },
  };
}
