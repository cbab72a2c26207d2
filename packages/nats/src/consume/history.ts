import type { Delivery, JsonValue } from "@busbar/core/provider";
import type { Broker } from "../broker.ts";
import type { QueueMessage } from "./message.ts";

/** Where a message is. */
export interface MessagePlace {
  readonly queue: number;
  readonly partition: number;
}

/** What a message brings along from earlier deliveries: NATS only counts them. */
export interface History {
  /** Absent: it was never retried. */
  readonly state?: JsonValue | undefined;
  readonly crashes: number;
  /** The number of the delivery after which it was written. Those after it ended in crashes. */
  readonly after: number;
}

/** Keeps the histories of messages that were retried or released. */
export interface Histories {
  /** Resolves with what a message brings along. */
  read(place: MessagePlace, message: QueueMessage): Promise<Omit<Delivery, "envelope">>;
  write(place: MessagePlace, message: QueueMessage, history: Omit<History, "after">): Promise<void>;
  /** Forgets the history of a message that is done. */
  forget(place: MessagePlace, message: QueueMessage): Promise<void>;
}

/** Keeps histories as records, one for each message that has one. */
export function createHistories({ names, records }: Broker): Histories {
  const subjectOf = ({ queue, partition }: MessagePlace, { sequence }: QueueMessage): string =>
    names.historySubject(queue, partition, sequence);

  return {
    async read(place, message) {
      const { deliveries } = message;
      if (deliveries <= 1) return { crashes: 0 };
      const record = await records.get(subjectOf(place, message));
      if (!record) return { crashes: deliveries - 1 };
      const { state, crashes, after } = JSON.parse(record.text) as History;
      // NATS counts a delivery less if the request that it was for had just ended.
      return { state, crashes: crashes + Math.max(0, deliveries - after - 1) };
    },
    async write(place, message, { state, crashes }) {
      const history: History = { state, crashes, after: message.deliveries };
      await records.put(subjectOf(place, message), JSON.stringify(history));
    },
    async forget(place, message) {
      if (message.deliveries > 1) await records.remove(subjectOf(place, message));
    },
  };
}
