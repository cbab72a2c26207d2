import { encodeEnvelope, type Envelope } from "@busbar/core/provider";
import { toColumn } from "@busbar/sql/feature";

/** Events that a pack holds at most. */
const MOST_EVENTS = 50;
/** Characters of a pack beyond which no more events join it. A larger event has a pack of its own. */
const MOST_CHARACTERS = 64_000;

/** What one statement publishes. */
export interface PackedEnvelopes {
  /** The envelopes of each pack, one a line. */
  readonly bodies: readonly string[];
  readonly deliveries: readonly PackedDelivery[];
  readonly deduplications: readonly {
    readonly position: number;
    readonly queue: number;
    readonly id: string;
  }[];
  /** The queues that get deliveries. */
  readonly queues: readonly number[];
}

/** A pack that goes to one queue. */
interface PackedDelivery {
  readonly position: number;
  readonly queue: number;
  /** The index of the pack. */
  readonly pack: number;
  /** All lines of the pack, as PostgreSQL writes an array. */
  readonly members: string;
  readonly priority: number;
  readonly delay_ms: number;
  readonly published_at: number;
  readonly deduplication: string | undefined;
}

/** Events that go to the same queues at the same time. */
interface Pack {
  readonly queues: readonly number[];
  readonly lines: string[];
  length: number;
  readonly priority: number;
  readonly delayMs: number;
  readonly publishedAt: number;
  readonly deduplication: string | undefined;
}

/**
 * Packs the envelopes of a publish: those that go to the same queues with the same priority and delay share packs, in
 * their order. An envelope with a deduplication id has a pack of its own, because each queue accepts it or not.
 *
 * @param targets The subscriptions that each envelope goes to.
 */
export function packEnvelopes(
  batch: readonly Envelope[],
  targets: readonly (readonly string[])[],
  queueOf: (subscriptionId: string) => number,
): PackedEnvelopes {
  const packs: Pack[] = [];
  const open = new Map<string, Pack>();
  const remembered = new Set<string>();
  for (const [index, envelope] of batch.entries()) {
    const { deduplicationId, priority = 100, delayMs = 0, metadata } = envelope;
    const deduplication = deduplicationId === undefined ? undefined : toColumn(deduplicationId);
    let queues = (targets[index] as readonly string[]).map(queueOf);
    if (deduplication !== undefined) {
      queues = queues.filter((queue) => !remembered.has(deduplicationKey(queue, deduplication)));
      for (const queue of queues) remembered.add(deduplicationKey(queue, deduplication));
    }
    if (queues.length === 0) continue;
    const line = encodeEnvelope(envelope);
    const kind = `${queues.join()} ${priority} ${delayMs}`;
    let pack = deduplication === undefined ? open.get(kind) : undefined;
    if (!pack || pack.lines.length === MOST_EVENTS || pack.length + line.length > MOST_CHARACTERS) {
      const publishedAt = Math.round(metadata.published_at);
      pack = { queues, lines: [], length: 0, priority, delayMs, publishedAt, deduplication };
      packs.push(pack);
      if (deduplication === undefined) open.set(kind, pack);
    }
    pack.lines.push(line);
    pack.length += line.length;
  }
  return rowsOf(packs);
}

/** Names what a queue remembers of a deduplication id. */
export function deduplicationKey(queue: number, deduplication: string): string {
  return `${queue} ${deduplication}`;
}

function rowsOf(packs: readonly Pack[]): PackedEnvelopes {
  const deliveries = packs.flatMap((pack, position) => {
    const members = `{${pack.lines.map((_, line) => line).join()}}`;
    const { priority, deduplication, publishedAt: published_at } = pack;
    const rest = { members, priority, delay_ms: Math.ceil(pack.delayMs), published_at };
    return pack.queues.map((queue) => ({ queue, pack: position, deduplication, ...rest }));
  });
  const deduplications = deliveries.flatMap(({ queue, deduplication: id }) =>
    id === undefined ? [] : [{ queue, id }],
  );
  return {
    bodies: packs.map(({ lines }) => lines.join("\n")),
    deliveries: deliveries.map((it, position) => ({ position, ...it })),
    deduplications: deduplications.map((it, position) => ({ position, ...it })),
    queues: [...new Set(deliveries.map(({ queue }) => queue))],
  };
}
