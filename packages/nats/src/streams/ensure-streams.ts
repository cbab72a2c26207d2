import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { ResolvedOptions } from "../options.ts";
import type { Names } from "./names.ts";

/** Milliseconds for which NATS knows a message id of a record or a dead letter again. */
const REPEATED_WITHIN_MS = 120_000;

/** The settings of a stream that are compared: what NATS adds to them is its own affair. */
type Wanted = Pick<StreamConfig, "name" | "subjects" | "retention" | "storage" | "num_replicas"> &
  Partial<StreamConfig>;

/** Makes the streams that all partitions share, or checks them. */
export async function ensureCommonStreams(
  manager: JetStreamManager,
  names: Names,
  { replicas }: ResolvedOptions,
): Promise<void> {
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    max_bytes: -1,
    duplicate_window: nanos(REPEATED_WITHIN_MS),
  };
  await ensureStream(manager, {
    ...common,
    name: names.recordStream,
    subjects: [names.recordSubjects],
    max_msgs_per_subject: 1,
  });
  await ensureStream(manager, {
    ...common,
    name: names.deadStream,
    subjects: [names.deadSubjects],
  });
}

/**
 * Makes the stream of a partition, or checks it. The provider itself deletes events that are done. With the retention
 * "interest", a server of 2.9 that restarts deletes events before all consumers have acknowledged them. There is no limit of
 * age: it would delete pending events.
 */
export async function ensurePartition(
  manager: JetStreamManager,
  names: Names,
  { replicas, maxBytes = -1, deduplicationWindowMs }: ResolvedOptions,
  partition: number,
): Promise<void> {
  await ensureStream(manager, {
    name: names.stream(partition),
    subjects: [names.subjectsOf(partition)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    discard: DiscardPolicy.New,
    max_bytes: maxBytes,
    duplicate_window: nanos(deduplicationWindowMs),
  });
}

async function ensureStream(manager: JetStreamManager, wanted: Wanted): Promise<void> {
  const present = await configOf(manager, wanted.name);
  if (!present) {
    try {
      await manager.streams.add(wanted);
      return;
    } catch (error) {
      // Another process may have made it meanwhile.
      const made = await configOf(manager, wanted.name);
      if (!made) throw error;
      check(made, wanted);
      return;
    }
  }
  check(present, wanted);
}

async function configOf(
  manager: JetStreamManager,
  name: string,
): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}

function check(present: StreamConfig, wanted: Wanted): void {
  for (const [name, value] of Object.entries(wanted)) {
    const found = present[name as keyof StreamConfig] ?? false;
    if (JSON.stringify(found) === JSON.stringify(value)) continue;
    throw new TypeError(
      `The NATS stream ${wanted.name} has ${name} ${JSON.stringify(found)}, and the options of natsProvider() ask for ${JSON.stringify(value)}: change the options, or edit the stream`,
    );
  }
}
