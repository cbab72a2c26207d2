import { randomUUID } from "node:crypto";
import type { NotifierRequest } from "../contract/notifier.ts";
import { secretFrom } from "../secrets/secret-text.ts";
import { Signer } from "../signing/signer.ts";

/** What a {@link notifierRequest} has that is not made up. */
export interface NotifierRequestParts<Settings> {
  /** Where the delivery goes. */
  readonly destination: string;
  /** As the notifier's schema gives them. */
  readonly settings: Settings;
  /** The payload. Anything JSON by default. */
  readonly event?: Partial<NotifierRequest["event"]> | undefined;
  /** Parts of the delivery, such as its id or the number of the attempt. */
  readonly delivery?: Partial<NotifierRequest["delivery"]> | undefined;
  /** The texts of the subscription's secrets, newest first. */
  readonly secrets?: readonly string[] | undefined;
  /** When the attempt begins. */
  readonly now?: Date | undefined;
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
}

const NOW = new Date("2026-11-30T12:00:00.000Z");

/**
 * Makes the request of one attempt, for tests of a notifier.
 *
 * @example
 * ```ts
 * const settings = { queue: "orders" };
 * const result = await notifier.deliver(notifierRequest({ destination: "amqp://…", settings }));
 * ```
 */
export function notifierRequest<Settings>(
  parts: NotifierRequestParts<Settings>,
): NotifierRequest<Settings> {
  const { destination, settings, event, delivery, now = NOW } = parts;
  const secrets = (parts.secrets ?? []).map((value) => secretFrom(value, NOW));
  const { id = randomUUID() } = delivery ?? {};
  return {
    delivery: {
      attempt: 1,
      trigger: "first",
      orderingKey: null,
      sequence: null,
      ...delivery,
      id,
    },
    event: {
      id: randomUUID(),
      name: "order.placed",
      scope: null,
      occurredAt: NOW,
      data: { order: { id: 42 } },
      metadata: {},
      ...event,
    },
    subscription: {
      id: randomUUID(),
      destination,
      secrets,
    },
    sign: new Signer().forAttempt({ id, timestamp: now, secrets }),
    settings,
    now,
    signal: parts.signal ?? new AbortController().signal,
  };
}
