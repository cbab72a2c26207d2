import type { Event } from "../contract/event.ts";
import type { DeadReason } from "../contract/notices.ts";
import type { DeadDelivery } from "../contract/provider.ts";
import { stateOf } from "../deliver/failures.ts";
import { receivedEvent } from "../deliver/received-event.ts";

/** A failed run of a delivery that is dead. */
export interface DeadLetterError {
  /** When the run failed, by the clock of the process that ran it. */
  readonly at: Date;
  /** The name of the error, such as `TypeError`. `NonError` if what was thrown is no error. */
  readonly name: string;
  /** The message of the error, at most 1 000 bytes of it. */
  readonly message: string;
  /** The stack of the error, at most 1 800 bytes of it. */
  readonly stack?: string | undefined;
  /** The error's own code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** The errors that it holds, as an `AggregateError` does, and its causes, as one text. */
  readonly cause?: string | undefined;
}

/** A delivery that ended dead: an event that one subscription could not handle. */
export interface DeadLetter {
  /** Identifies the dead letter within its subscription. Not the event's id: an event may die twice. */
  readonly id: string;
  /** The subscription that could not handle the event. */
  readonly subscriberId: string;
  /** @deprecated The name of `subscriberId` in 0.1. */
  readonly subscriptionId: string;
  /** The event, as its handlers saw it. */
  readonly event: Event;
  /** Why the delivery is dead. If it is `corrupt`, `event.data` is the text that could not be read. */
  readonly reason: DeadReason;
  /** Runs that failed or timed out. */
  readonly attempts: number;
  /**
   * The oldest first. Of more than 20 the first and the last 19. They have at most 8 kB together: where it is
   * more, those between the first and the last lose their stacks, and then are left out.
   */
  readonly errors: readonly DeadLetterError[];
  /** When the delivery died, by the clock of the provider's server where it has one. */
  readonly diedAt: Date;
}

/** Makes what people see of a dead delivery. */
export function deadLetter(subscriberId: string, dead: DeadDelivery): DeadLetter {
  // A delivery that died without a run, by `retire` or a crash, may have no state.
  const state = stateOf(dead.state);
  return {
    id: dead.id,
    subscriberId,
    subscriptionId: subscriberId,
    event: receivedEvent(dead.envelope, true),
    reason: dead.reason as DeadReason,
    attempts: state.runs,
    errors: state.errors.map((error) => ({ ...error, at: new Date(error.at) }) as DeadLetterError),
    diedAt: new Date(dead.diedAt),
  };
}
