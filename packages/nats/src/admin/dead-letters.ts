import {
  type DeadDelivery,
  type Envelope,
  type JsonValue,
  type Page,
  type ProviderContext,
} from "@busbar/core/provider";
import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Broker } from "../broker.ts";
import type { MessagePlace } from "../consume/history.ts";
import type { QueueMessage } from "../consume/message.ts";

/** A dead letter as it is stored. */
interface StoredDeadLetter {
  readonly envelope: Envelope;
  readonly reason: string;
  readonly state: JsonValue;
}

/** Milliseconds for which NATS keeps the consumer of a list whose process has ended. */
const LIST_ENDS_AFTER_MS = 10_000;
/** Milliseconds that a page may take to come. */
const PAGE_MS = 5_000;

/** The dead letters of all queues. */
export interface DeadLetters {
  /** Adds the delivery of a message. The same message again, within two minutes, adds nothing. */
  add(place: MessagePlace, message: QueueMessage, letter: StoredDeadLetter): Promise<void>;
  /** Deletes the letters of a queue beyond the bounds, and reports how many. */
  trim(queue: number, subscriptionId: string): Promise<void>;
  /** How many letters each queue has. Those without any are left out. */
  counts(): Promise<ReadonlyMap<number, number>>;
  /** Resolves with letters of a queue, those with the lowest numbers after `cursor` first. */
  list(
    queue: number,
    page: { readonly limit: number; readonly after: number },
  ): Promise<Page<DeadDelivery>>;
  /** Resolves with a letter, if the queue has it. */
  get(queue: number, id: string): Promise<DeadDelivery | undefined>;
  /** Deletes a letter. Resolves with whether it was there. */
  remove(id: string): Promise<boolean>;
}

/** Keeps dead letters in a stream of their own, with a subject for each queue. */
export function createDeadLetters(
  { deadLetters: bounds, report }: Pick<ProviderContext, "deadLetters" | "report">,
  broker: Broker,
): DeadLetters {
  const { client, manager, names } = broker;
  const stream = names.deadStream;

  async function counts(): Promise<ReadonlyMap<number, number>> {
    const { state } = await manager.streams.info(stream, { subjects_filter: names.deadSubjects });
    const found = Object.entries(state.subjects ?? {});
    return new Map(
      found.map(([subject, count]) => [Number(subject.slice(subject.lastIndexOf(".") + 1)), count]),
    );
  }

  async function purge(queue: number, how: { keep: number } | { seq: number }): Promise<number> {
    const { purged } = await manager.streams.purge(stream, {
      filter: names.deadSubject(queue),
      ...how,
    });
    return purged;
  }

  /** The number before which all letters of a queue are too old; undefined if none is. */
  async function youngestAfter(queue: number): Promise<number | undefined> {
    let old: number | undefined;
    let after = 0;
    for (;;) {
      const { items, cursor } = await list(queue, { limit: 100, after });
      for (const { id, diedAt } of items) {
        if (diedAt > broker.now() - bounds.maxAgeMs) return old;
        old = Number(id) + 1;
      }
      if (cursor === undefined) return old;
      after = Number(cursor);
    }
  }

  async function list(
    queue: number,
    { limit, after }: { readonly limit: number; readonly after: number },
  ): Promise<Page<DeadDelivery>> {
    const { name, num_pending } = await manager.consumers.add(stream, {
      filter_subject: names.deadSubject(queue),
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: after + 1,
      inactive_threshold: nanos(LIST_ENDS_AFTER_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    const count = Math.min(limit, num_pending);
    if (count === 0) {
      await manager.consumers.delete(stream, name);
      return { items: [] };
    }
    const consumer = await client.consumers.get(stream, name);
    const items: DeadDelivery[] = [];
    for await (const message of await consumer.fetch({ max_messages: count, expires: PAGE_MS })) {
      items.push(decode(message.seq, message.string(), message.timestampNanos));
    }
    await consumer.delete();
    return { items, ...(num_pending > limit && { cursor: items.at(-1)?.id }) };
  }

  return {
    counts,
    list,

    async add({ queue, partition }, { sequence }, { envelope, reason, state }) {
      const letter: StoredDeadLetter = { envelope, reason, state };
      await client.publish(names.deadSubject(queue), JSON.stringify(letter), {
        msgID: `${queue} ${partition} ${sequence}`,
      });
    },

    async trim(queue, subscriptionId) {
      let count = 0;
      const dead = (await counts()).get(queue) ?? 0;
      if (dead > bounds.maxPerSubscription) {
        count += await purge(queue, { keep: bounds.maxPerSubscription });
      }
      if (dead > 0 && bounds.maxAgeMs < Infinity) {
        const seq = await youngestAfter(queue);
        if (seq !== undefined) count += await purge(queue, { seq });
      }
      if (count > 0) report({ type: "dead-letters-dropped", subscriptionId, count });
    },

    async get(queue, id) {
      if (!/^\d{1,15}$/.test(id)) return undefined;
      try {
        const found = await manager.streams.getMessage(stream, { seq: Number(id) });
        if (found?.subject !== names.deadSubject(queue)) return undefined;
        return decode(found.seq, found.string(), BigInt(found.time.getTime()) * 1_000_000n);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },

    async remove(id) {
      try {
        return await manager.streams.deleteMessage(stream, Number(id), false);
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
  };
}

function decode(sequence: number, text: string, diedAtNanos: bigint): DeadDelivery {
  const { envelope, reason, state } = JSON.parse(text) as StoredDeadLetter;
  return {
    id: String(sequence),
    envelope,
    reason,
    state,
    diedAt: Number(diedAtNanos / 1_000_000n),
  };
}

/** Of a message that is not there, NATS says in one place "not found", and in another one that it cannot delete it. */
function isMissing(error: unknown): boolean {
  const text = error instanceof Error ? error.message : "";
  return error instanceof JetStreamApiError && (error.status === 404 || /not found/i.test(text));
}
