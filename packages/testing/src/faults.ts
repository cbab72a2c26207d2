import type { Delivery, Envelope } from "@busbar/core/provider";

/** What becomes of a delivery. Undefined: nothing out of the ordinary. */
export type DeliveryFault =
  /** The handler does not run, and the run fails with this error. */
  | { readonly type: "fail"; readonly error: unknown; readonly applied: () => void }
  /** The process dies before the handler has begun, at its n-th pause, or after it has ended. */
  | { readonly type: "crash"; readonly at: "before" | "after" | number };

/** What becomes of a publish. Undefined: nothing out of the ordinary. */
export type PublishFault =
  | { readonly type: "reject"; readonly reason: string; readonly retryable: boolean }
  /** No answer comes. What was published may have been accepted all the same. */
  | { readonly type: "time-out"; readonly accepted: boolean };

/** What a subscription asks of the order of its deliveries. */
export type OrderOf = (subscriberId: string) => "none" | "key" | "all";

/** Decides what goes wrong, and when. Each answer is used once. */
export interface Faults {
  publish(batch: readonly Envelope[]): PublishFault | undefined;
  /**
   * How many milliseconds late each copy of an envelope comes to a subscription; undefined: one copy,
   * at once.
   */
  arrivals(subscriberId: string, envelope: Envelope): readonly number[] | undefined;
  delivery(subscriberId: string, delivery: Delivery): DeliveryFault | undefined;
}

/** What one of several says first is what happens. */
export function firstOf(all: readonly Faults[]): Faults {
  return {
    publish: (batch) => firstAnswer(all, (faults) => faults.publish(batch)),
    arrivals: (id, envelope) => firstAnswer(all, (faults) => faults.arrivals(id, envelope)),
    delivery: (id, delivery) => firstAnswer(all, (faults) => faults.delivery(id, delivery)),
  };
}

function firstAnswer<T>(
  all: readonly Faults[],
  ask: (faults: Faults) => T | undefined,
): T | undefined {
  for (const faults of all) {
    const answer = ask(faults);
    if (answer !== undefined) return answer;
  }
  return undefined;
}
