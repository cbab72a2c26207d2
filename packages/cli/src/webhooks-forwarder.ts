import { systemClock } from "@busbar/core";
import { createHmac, randomBytes } from "node:crypto";

/** A delivery as it is sent to the URL of a developer. */
export interface ForwardedDelivery {
  /** The id of the delivery: the header `webhook-id`. */
  readonly id: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly createdAt: Date;
  readonly payload: unknown;
}

/** How the receiver has answered. */
export interface ForwardResult {
  /** The status code. Undefined where there was no answer. */
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly durationMs: number;
}

/** Makes a secret of a session, in the format of Standard Webhooks. */
export function sessionSecret(): string {
  return `whsec_${randomBytes(32).toString("base64")}`;
}

/**
 * Sends a delivery to a URL as `@busbar/webhooks` sends it in its default format, signed with a secret as Standard
 * Webhooks says. Never rejects.
 */
export async function forward(
  url: string,
  secret: string,
  { id, eventId, eventName, createdAt, payload }: ForwardedDelivery,
  signal: AbortSignal,
): Promise<ForwardResult> {
  const body = JSON.stringify({
    type: eventName,
    timestamp: createdAt.toISOString(),
    data: payload,
  });
  const seconds = String(Math.floor(systemClock.now() / 1_000));
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
  const startedAt = performance.now();
  const ended = (): number => Math.round(performance.now() - startedAt);
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(FORWARD_WITHIN_MS)]),
      redirect: "manual",
      headers: {
        "content-type": "application/json",
        "busbar-event-id": encodeURIComponent(eventId),
        "webhook-id": id,
        "webhook-timestamp": seconds,
        "webhook-signature": `v1,${signature}`,
      },
    });
    await response.body?.cancel();
    return { status: response.status, error: undefined, durationMs: ended() };
  } catch (error) {
    const { cause, message } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    return { status: undefined, error: reason, durationMs: ended() };
  }
}

/** As long as the notifier http waits by default. */
const FORWARD_WITHIN_MS = 10_000;
