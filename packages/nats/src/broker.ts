import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  jetstream,
  type JetStreamClient,
  jetstreamManager,
  JetStreamApiError,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import type { ProviderContext } from "@busbar/core/provider";
import type { Connection } from "./connection/open-connection.ts";
import type { MessagePlace } from "./consume/history.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePlace, StoredLayout } from "./registry/layout.ts";
import { ensureCommonStreams, ensurePartition } from "./streams/ensure-streams.ts";
import { createNames, type Names, prefixOf } from "./streams/names.ts";
import { createRecords, type Records } from "./streams/records.ts";

/** The streams and consumers of a bus. */
export interface Broker {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly names: Names;
  readonly records: Records;
  /** The partitions that this process asks for. */
  readonly partitions: number;
  /** Milliseconds since the epoch, by the clock of NATS. */
  now(): number;
  /** Reads the clock of NATS. */
  readClock(): Promise<number>;
  /** Makes the consumers of a queue, one for each partition. Idempotent. */
  addConsumers(place: QueuePlace, partitions: number): Promise<void>;
  /** Deletes the consumers of a queue, with all that waits in it. */
  removeConsumers(place: QueuePlace, partitions: number): Promise<void>;
  /** Lets NATS look at a consumer. */
  lookAt(place: MessagePlace): Promise<ConsumerInfo | undefined>;
  /** Resolves with what NATS knows of the consumers of a queue. Those that are gone are left out. */
  consumersOf(place: QueuePlace, partitions: number): Promise<readonly ConsumerInfo[]>;
}

/** Makes the streams of a bus, or checks them. */
export async function openBroker(
  { connection }: Connection,
  options: ResolvedOptions,
  { clock, namespace }: Pick<ProviderContext, "clock" | "namespace">,
): Promise<Broker> {
  const timeout = { timeout: options.answerWithinMs };
  const client = jetstream(connection, timeout);
  const manager = await jetstreamManager(connection, timeout);
  const names = createNames(options.prefix ?? prefixOf(namespace));
  await ensureCommonStreams(manager, names, options);
  const records = createRecords(client, manager, names.recordStream);
  // From here on the clock of NATS goes on by that of the process which nobody sets.
  let ahead = 0;

  async function readClock(): Promise<number> {
    const from = clock.monotonic();
    await records.put(names.clockSubject, "");
    const took = clock.monotonic() - from;
    const now = ((await records.get(names.clockSubject))?.writtenAt ?? 0) + took / 2;
    ahead = now - (from + took);
    return now;
  }

  /** Nothing is published to a new queue before its consumer is there. An earlier queue may have had its slot. */
  async function configOf(
    { queue, slot }: QueuePlace,
    partition: number,
  ): Promise<Partial<ConsumerConfig>> {
    const { state } = await manager.streams.info(names.stream(partition));
    return {
      durable_name: names.consumer(queue),
      filter_subject: names.filterOf(partition, slot),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(options.leaseMs),
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: state.last_seq + 1,
      max_ack_pending: -1,
      max_deliver: -1,
    };
  }

  async function addConsumers(place: QueuePlace, partitions: number): Promise<void> {
    await Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        const stream = names.stream(partition);
        const present = await infoOf(manager, stream, names.consumer(place.queue));
        if (!present) await manager.consumers.add(stream, await configOf(place, partition));
      }),
    );
  }

  async function removeConsumers({ queue }: QueuePlace, partitions: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      await unlessMissing(manager.consumers.delete(names.stream(partition), names.consumer(queue)));
      await records.remove(names.historySubject(queue, partition, "*"));
    }
    await manager.streams.purge(names.deadStream, { filter: names.deadSubject(queue) });
  }

  async function ensurePartitions(): Promise<number> {
    for (;;) {
      const record = await records.get(names.listSubject);
      const stored = record && (JSON.parse(record.text) as StoredLayout);
      const present = stored?.partitions ?? 0;
      const partitions = Math.max(present, options.partitions);
      for (let partition = 0; partition < partitions; partition++) {
        await ensurePartition(manager, names, options, partition);
      }
      if (!stored || partitions === present) return partitions;
      for (const place of Object.values(stored.queues).flat())
        await addConsumers(place, partitions);
      const grown = JSON.stringify({ ...stored, partitions });
      if (await records.replace(names.listSubject, grown, record.revision)) return partitions;
    }
  }

  const partitions = await ensurePartitions();
  await readClock();
  return {
    connection,
    client,
    manager,
    names,
    records,
    partitions,
    now: () => clock.monotonic() + ahead,
    readClock,
    addConsumers,
    removeConsumers,
    lookAt: ({ queue, partition }) =>
      infoOf(manager, names.stream(partition), names.consumer(queue)),
    async consumersOf({ queue }, count) {
      const infos = Array.from({ length: count }, (_, partition) =>
        infoOf(manager, names.stream(partition), names.consumer(queue)),
      );
      return (await Promise.all(infos)).filter((info) => info !== undefined);
    },
  };
}

function infoOf(
  manager: JetStreamManager,
  stream: string,
  consumer: string,
): Promise<ConsumerInfo | undefined> {
  return unlessMissing(manager.consumers.info(stream, consumer));
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}
