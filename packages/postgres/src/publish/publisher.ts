import {
  encodeEnvelope,
  type Envelope,
  type PublishResult,
  type SubscriptionList,
} from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import { toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";
import type { Registry, Routing } from "../registry/registry.ts";
import type { WakeUps } from "../wake/wake-ups.ts";
import { createPublishStatement } from "./publish-statement.ts";

/** What became of a publish within a transaction. */
export interface Published {
  readonly results: readonly PublishResult[];
  /** The queues that have new deliveries once the transaction commits. */
  readonly queues: readonly number[];
}

/** Puts envelopes into the queues of the subscriptions that want them. */
export interface Publisher {
  /** Publishes in a transaction of its own: all envelopes, or none if one is rejected. */
  publish(batch: readonly Envelope[]): Promise<readonly PublishResult[]>;
  /** Publishes as `publish` does, in a transaction of the caller, who wakes the queues after the commit. */
  publishWithin(executor: SqlExecutor, batch: readonly Envelope[]): Promise<Published>;
}

/** An envelope that was rejected. */
type Rejection = Extract<PublishResult, { status: "rejected" }>;

/** What one statement publishes, as JSON arrays. */
interface Packed {
  readonly bodies: { readonly position: number; readonly body: string }[];
  readonly deliveries: { readonly position: number; readonly queue: number }[];
  readonly deduplications: { readonly position: number; readonly queue: number; id: string }[];
}

/** Makes a publisher. A publish is one statement, which also checks that its routing is the present one. */
export function createPublisher(
  database: Database,
  deduplicationWindowMs: number,
  registry: Registry,
  wakeUps: WakeUps,
): Publisher {
  const statement = createPublishStatement(database, deduplicationWindowMs);

  async function publishWithin(
    executor: SqlExecutor,
    batch: readonly Envelope[],
  ): Promise<Published> {
    let routing = await registry.routing();
    let { version } = routing;
    for (;;) {
      const targets = batch.map((envelope) => targetsOf(envelope, routing.list));
      if (targets.some(isRejection)) return { results: targets.map(rejectionOf), queues: [] };
      const wanted = targets as readonly (readonly string[])[];
      const packed = pack(batch, wanted, routing);
      const [row] = await executor.execute(
        statement,
        [
          version,
          JSON.stringify(packed.bodies),
          JSON.stringify(packed.deliveries),
          JSON.stringify(packed.deduplications),
        ],
        { isFrequent: true },
      );
      const present = row?.["version"] as number;
      if (present === version) {
        if (routing.list.changed) await registry.withheld(batch.map(({ name }) => name));
        const fresh = new Set(JSON.parse(row?.["fresh"] as string) as readonly string[]);
        return { results: resultsOf(batch, wanted, routing, fresh), queues: queuesOf(packed) };
      }
      // A transaction of the caller's may see an older list than this process has read: then that is new enough.
      if (present < routing.version) version = present;
      else {
        routing = await registry.refresh();
        ({ version } = routing);
      }
    }
  }

  return {
    async publish(batch) {
      const { results, queues } = await publishWithin(database, batch);
      wakeUps.committed(queues);
      return results;
    },
    publishWithin,
  };
}

/** The subscriptions that an envelope goes to. */
function targetsOf({ name, to }: Envelope, list: SubscriptionList): readonly string[] | Rejection {
  const wanted = list.match(name);
  if (!to) return wanted;
  const ids = to.map((id) => list.presentId(id));
  const unknown = ids.findIndex((id) => !wanted.includes(id));
  if (unknown === -1) return [...new Set(ids)];
  const subscriptionId = to[unknown] as string;
  const reason = `No subscription ${JSON.stringify(subscriptionId)} gets the event ${JSON.stringify(name)}`;
  return { status: "rejected", code: "unknown-subscription", reason, subscriptionId };
}

function isRejection(target: readonly string[] | Rejection): target is Rejection {
  return "status" in target;
}

/** The result of each envelope when at least one was rejected: none is published. */
function rejectionOf(target: readonly string[] | Rejection): Rejection {
  if (isRejection(target)) return target;
  const reason = "Another event of the same publish was rejected";
  return { status: "rejected", code: "refused", reason };
}

function pack(
  batch: readonly Envelope[],
  targets: readonly (readonly string[])[],
  { queueOf }: Routing,
): Packed {
  const packed: Packed = { bodies: [], deliveries: [], deduplications: [] };
  const remembered = new Set<string>();
  for (const [index, envelope] of batch.entries()) {
    const { deduplicationId, priority = 100, delayMs = 0, metadata } = envelope;
    const deduplication = deduplicationId === undefined ? undefined : toColumn(deduplicationId);
    const queues = (targets[index] as readonly string[]).map(queueOf).filter((queue) => {
      if (deduplication === undefined) return true;
      const key = keyOf(queue, deduplication);
      if (remembered.has(key)) return false;
      remembered.add(key);
      const position = packed.deduplications.length;
      packed.deduplications.push({ position, queue, id: deduplication });
      return true;
    });
    if (queues.length === 0) continue;
    const body = packed.bodies.length;
    packed.bodies.push({ position: body, body: encodeEnvelope(envelope) });
    for (const queue of queues) {
      const rest = { body, priority, delay_ms: Math.ceil(delayMs), deduplication };
      const published_at = Math.round(metadata.published_at);
      const position = packed.deliveries.length;
      packed.deliveries.push({ position, queue, published_at, ...rest } as Packed["deliveries"][0]);
    }
  }
  return packed;
}

/** @param fresh What was not remembered before, as {@link keyOf} writes it. The first envelope with it was accepted. */
function resultsOf(
  batch: readonly Envelope[],
  targets: readonly (readonly string[])[],
  { queueOf }: Routing,
  fresh: Set<string>,
): readonly PublishResult[] {
  return batch.map(({ deduplicationId }, index) => {
    const ids = targets[index] as readonly string[];
    const subscriptions = ids.length;
    if (deduplicationId === undefined || subscriptions === 0) {
      return { status: "accepted", subscriptions };
    }
    const deduplication = toColumn(deduplicationId);
    const accepted = ids.filter((id) => fresh.delete(keyOf(queueOf(id), deduplication)));
    return { status: accepted.length > 0 ? "accepted" : "duplicate", subscriptions };
  });
}

function keyOf(queue: number, deduplication: string): string {
  return `${queue} ${deduplication}`;
}

function queuesOf({ deliveries }: Packed): readonly number[] {
  return [...new Set(deliveries.map(({ queue }) => queue))];
}
