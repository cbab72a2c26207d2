import type { JsonValue } from "../contract/json.ts";
import type { Delivery, Envelope } from "../contract/provider.ts";

/** What an envelope without a priority has. */
export const NORMAL_PRIORITY = 100;

/** An envelope in the queue of one subscription, and what a consumer is handed. */
export class QueueItem implements Delivery {
  readonly envelope: Envelope;
  readonly priority: number;
  /** Its place among those of the same priority. Counted over all queues of a provider. */
  sequence: number;
  state: JsonValue | undefined = undefined;
  crashes = 0;
  /** On the clock's monotonic scale; read while the item is delayed. */
  due = 0;
  /** It goes back to where it was when its delay is over, not behind those that came meanwhile. */
  keepsPlace = false;
  /** Whom it must wait for; undefined: no one. */
  key: string | undefined = undefined;
  /** It is its key's turn: the others of the key wait until this one is done. */
  holdsKey = false;

  constructor(envelope: Envelope, sequence: number) {
    this.envelope = envelope;
    this.priority = envelope.priority ?? NORMAL_PRIORITY;
    this.sequence = sequence;
  }
}

/** In order of their places. */
export function bySequence(a: QueueItem, b: QueueItem): number {
  return a.sequence - b.sequence;
}
