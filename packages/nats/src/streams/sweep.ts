import type { ConsumerInfo } from "@nats-io/jetstream";
import type { ProviderContext, Timer } from "@busbar/core/provider";
import type { Broker } from "../broker.ts";
import type { Registry } from "../registry/registry.ts";

/** Milliseconds between two sweeps of a process, at least; at most twice as many. */
const SWEEP_EVERY_MS = 3_000;

/** Deletes events that are done, from time to time. */
export interface Sweeping {
  /** Ends the sweeps. */
  close(): void;
}

/**
 * Begins to delete events that all queues are done with. One number says what a queue has done without a gap. So a queue
 * that stands still keeps all later events of the stream on disk.
 */
export function startSweeping(
  { clock, logger }: Pick<ProviderContext, "clock" | "logger">,
  broker: Broker,
  registry: Registry,
): Sweeping {
  let timer: Timer;
  let isClosed = false;

  function sweepLater(): void {
    if (isClosed) return;
    // Those of several processes are not to come at the same moment.
    timer = clock.setTimeout(sweepAll, SWEEP_EVERY_MS * (1 + Math.random()));
  }

  function sweepAll(): void {
    sweep(broker, registry)
      .catch((err: unknown) => logger.debug({ err }, "Events that are done could not be deleted"))
      .finally(sweepLater);
  }

  sweepLater();
  return {
    close() {
      isClosed = true;
      timer.cancel();
    },
  };
}

async function sweep(broker: Broker, registry: Registry): Promise<void> {
  const { layout } = await registry.refresh();
  for (let partition = 0; partition < layout.partitions; partition++) {
    await sweepPartition(broker, registry, partition);
  }
}

/**
 * Deletes the events of a partition that are done. Not with a filter: a server of 2.9 then forgets deliveries of later events
 * that are in flight.
 */
async function sweepPartition(
  { manager, names }: Broker,
  registry: Registry,
  partition: number,
): Promise<void> {
  const stream = names.stream(partition);
  const { state } = await manager.streams.info(stream);
  if (state.messages === 0) return;
  const done = new Map<string, number>();
  for await (const info of manager.consumers.list(stream)) {
    done.set(info.name, doneBy(info, state.last_seq));
  }
  // Read last: a queue that came meanwhile has none of these events.
  const { layout } = await registry.refresh();
  const queues = layout.all().flatMap(([, places]) => places);
  const seq =
    1 +
    Math.min(state.last_seq, ...queues.map(({ queue }) => done.get(names.consumer(queue)) ?? 0));
  if (seq > state.first_seq) await manager.streams.purge(stream, { seq });
}

/** The number of the last event that a consumer is done with, and with all before it. */
function doneBy({ num_pending, num_ack_pending, ack_floor }: ConsumerInfo, last: number): number {
  const isEmpty = num_pending === 0 && num_ack_pending === 0;
  return isEmpty ? Math.max(last, ack_floor.stream_seq) : ack_floor.stream_seq;
}
