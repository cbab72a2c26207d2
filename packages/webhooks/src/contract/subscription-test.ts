import type { JsonValue } from "@busbar/core/provider";
import type { NotifierResult } from "./notifier.ts";

/** What is sent to the destination of a subscription as a test. */
export interface SubscriptionTest {
  /** The name of the event. By default the first event of the catalogue that the subscription wants. */
  readonly event?: string | undefined;
  /** The payload. By default the example of the event. */
  readonly payload?: JsonValue | undefined;
}

/** How a test has ended. */
export interface SubscriptionTestResult extends NotifierResult {
  /** How long the attempt took, in milliseconds. */
  readonly durationMs: number;
}

/** Sends a test through the real notifier, under the same guard as any attempt. */
export type TestSubscription = (
  subscriptionId: string,
  test: SubscriptionTest,
) => Promise<SubscriptionTestResult>;
