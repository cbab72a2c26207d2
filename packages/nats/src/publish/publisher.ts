import { createHash } from "node:crypto";
import {
  encodeEnvelope,
  type Envelope,
  type ProviderContext,
  type PublishOptions,
  type PublishResult,
} from "@busbar/core/provider";
import { errors } from "@nats-io/transport-node";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Broker } from "../broker.ts";
import { createRememberedIds } from "./remembered-ids.ts";
import type { Registry, Routing } from "../registry/registry.ts";
import type { QueuePlace } from "../registry/layout.ts";

/** The lowest status of an answer that says that the servers, and not the request, are at fault. */
const SERVER_ERROR = 500;
/** What NATS says when a stream has reached its `maxBytes`. */
const STREAM_IS_FULL = 10_077;

/** Puts envelopes into the streams. */
export interface Publisher {
  /** Publishes envelopes to the subscriptions that want them. */
  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]>;
  /** Publishes to one queue again. An id that was used within two minutes is not published once more. */
  publishTo(place: QueuePlace, envelope: Envelope, id: string): Promise<void>;
}

/** An envelope that was rejected. */
type Rejection = Extract<PublishResult, { status: "rejected" }>;

/**
 * Makes a publisher. Each event is one message, whose subject names all queues that get it: NATS stores it once, and in one
 * step for all of them. An event with a deduplication id is one message for each queue. A publish reads the list before, so that it goes by what is declared.
 */
export function createPublisher(
  { clock }: Pick<ProviderContext, "clock">,
  broker: Broker,
  registry: Registry,
): Publisher {
  const { client, names } = broker;
  const rememberedIds = createRememberedIds(broker);

  async function publishOne(
    envelope: Envelope,
    { list, layout }: Routing,
    timeout: number,
  ): Promise<PublishResult> {
    const targets = targetsOf(envelope, list);
    if ("status" in targets) return targets;
    const subscriptions = targets.length;
    const places = targets.flatMap((id) => layout.of(id).slice(0, 1));
    if (places.length === 0) return { status: "accepted", subscriptions };
    const partition = partitionOf(envelope, layout.partitions);
    const text = encodeEnvelope(envelope);
    const { deduplicationId } = envelope;
    if (deduplicationId === undefined) {
      const slots = places.map(({ slot }) => slot);
      await client.publish(names.eventSubject(partition, slots), text, { timeout });
      return { status: "accepted", subscriptions };
    }
    // Each queue remembers for itself. If only some of the messages get through, the next try brings the others.
    const acknowledged = await Promise.all(
      places.map(async ({ queue, slot }) => {
        const msgID = await rememberedIds.of(queue, deduplicationId, layout);
        return client.publish(names.eventSubject(partition, [slot]), text, { timeout, msgID });
      }),
    );
    const isDuplicate = acknowledged.every(({ duplicate }) => duplicate);
    return { status: isDuplicate ? "duplicate" : "accepted", subscriptions };
  }

  return {
    async publish(batch, { deadline }) {
      const routing = await registry.refresh();
      const timeout = Math.max(1, deadline - clock.monotonic());
      const outcomes = await Promise.allSettled(
        batch.map((envelope) => publishOne(envelope, routing, timeout)),
      );
      if (routing.list.changed) await registry.withheld(batch.map(({ name }) => name));
      const results = outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? outcome.value : rejectionOf(outcome.reason),
      );
      const isUnknown = results.every((it) => it.status === "rejected" && it.retryable === true);
      const [first] = outcomes;
      // Nothing is known of any of them: the bus decides what that means to its callers.
      if (isUnknown && first?.status === "rejected") throw first.reason;
      return results;
    },

    async publishTo({ slot }, envelope, id) {
      const { layout } = await registry.refresh();
      const subject = names.eventSubject(partitionOf(envelope, layout.partitions), [slot]);
      await client.publish(subject, encodeEnvelope(envelope), { msgID: id });
    },
  };
}

/** The subscriptions that an envelope goes to. */
function targetsOf({ name, to }: Envelope, list: Routing["list"]): readonly string[] | Rejection {
  const wanted = list.match(name);
  if (!to) return wanted;
  const ids = to.map((id) => list.presentId(id));
  const unknown = ids.find((id) => !wanted.includes(id));
  if (unknown === undefined) return [...new Set(ids)];
  const subscriptionId = to[ids.indexOf(unknown)];
  const reason = `No subscription ${JSON.stringify(subscriptionId)} gets the event ${JSON.stringify(name)}`;
  return { status: "rejected", code: "unknown-subscription", reason, subscriptionId };
}

/** What is to be the same for two events: their deduplication id, or else their key. */
function partitionOf({ id, orderingKey, deduplicationId }: Envelope, partitions: number): number {
  if (partitions === 1) return 0;
  const hash = createHash("md5")
    .update(deduplicationId ?? orderingKey ?? id)
    .digest();
  return hash.readUInt32BE() % partitions;
}

function rejectionOf(cause: unknown): Rejection {
  const rejected = { status: "rejected", code: "refused", cause } as const;
  if (cause instanceof errors.InvalidArgumentError) {
    return { ...rejected, reason: "The event is larger than the max_payload of the NATS server" };
  }
  if (cause instanceof JetStreamApiError) {
    const isFull = cause.code === STREAM_IS_FULL;
    const reason = isFull ? "The NATS stream has reached its maxBytes" : "NATS refused the event";
    const retryable = isFull ? "later" : cause.status >= SERVER_ERROR;
    return { ...rejected, reason, retryable };
  }
  return { ...rejected, reason: "NATS did not answer", retryable: true };
}
