import type { Envelope, PublishResult, SubscriptionList } from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import { toColumn } from "@busbar/sql/feature";
import type { Routing } from "../registry/registry.ts";
import type { Session } from "../session.ts";
import { deduplicationKey, packEnvelopes } from "./pack-envelopes.ts";
import { createPublishStatement, PACK_SEPARATOR } from "./publish-statement.ts";

/** What became of a publish within a transaction. */
export interface Published {
  readonly results: readonly PublishResult[];
  /** The queues that have new deliveries once the transaction commits. */
  readonly queues: readonly number[];
  /** Whether there are orphaned subscriptions that wanted some of the events. */
  readonly withheld?: boolean | undefined;
}

/** Puts envelopes into the queues of the subscriptions that want them. */
export interface Publisher {
  /** Publishes in a transaction of its own: all envelopes, or none if one is rejected. */
  publish(batch: readonly Envelope[]): Promise<readonly PublishResult[]>;
  /**
   * Publishes as `publish` does, in a transaction. It waits for no other connection: the transaction may have the last
   * one of its pool.
   *
   * @param announces Whether the commit notifies all processes. Otherwise the caller wakes the queues after it.
   */
  publishWithin(
    executor: SqlExecutor,
    batch: readonly Envelope[],
    announces?: boolean,
  ): Promise<Published>;
}

/** An envelope that was rejected. */
type Rejection = Extract<PublishResult, { status: "rejected" }>;

/** Makes a publisher. A publish is one statement, which also checks that its routing is the present one. */
export function createPublisher({
  context: { logger },
  database,
  options,
  registry,
  wakeUps,
}: Omit<Session, "publisher" | "settlements" | "places">): Publisher {
  const notification = wakeUps.notification("$5");
  const { deduplicationWindowMs } = options;
  const statement = createPublishStatement(database, deduplicationWindowMs, notification);

  async function publishWithin(
    executor: SqlExecutor,
    batch: readonly Envelope[],
    announces = false,
  ): Promise<Published> {
    let routing = await registry.routing(executor);
    let { version } = routing;
    let isFresh = false;
    for (;;) {
      const targets = batch.map((envelope) => targetsOf(envelope, routing.list));
      // A process that declares again what it has declared before changes no version: it may not be orphaned any more.
      if (routing.list.changed && !isFresh) {
        isFresh = true;
        routing = await registry.refresh(executor);
        ({ version } = routing);
        continue;
      }
      if (targets.some(isRejection)) return { results: targets.map(rejectionOf), queues: [] };
      const wanted = targets as readonly (readonly string[])[];
      const { bodies, deliveries, deduplications, queues } = packEnvelopes(
        batch,
        wanted,
        routing.queueOf,
      );
      const values = [
        version,
        bodies.join(PACK_SEPARATOR),
        JSON.stringify(deliveries),
        JSON.stringify(deduplications),
        announces && queues.length > 0 ? wakeUps.announcement(queues) : null,
      ];
      const [row] = await executor.execute(statement, values, { isFrequent: true });
      const present = row?.["version"] as number;
      if (present === version) {
        const fresh = new Set(JSON.parse(row?.["fresh"] as string) as readonly string[]);
        const results = resultsOf(batch, wanted, routing, fresh);
        return { results, queues, withheld: routing.list.changed };
      }
      // A transaction of a caller's may see an older list than this process has read: then that is new enough.
      if (present < routing.version) version = present;
      else {
        isFresh = true;
        routing = await registry.refresh(executor);
        ({ version } = routing);
      }
    }
  }

  return {
    async publish(batch) {
      const { results, queues, withheld } = await publishWithin(database, batch);
      if (withheld) await registry.withheld(batch.map(({ name }) => name));
      wakeUps.committed(queues);
      return results;
    },

    async publishWithin(executor, batch, announces) {
      const published = await publishWithin(executor, batch, announces);
      if (published.withheld) {
        registry.withheld(batch.map(({ name }) => name)).catch((err: unknown) => {
          logger.warn({ err }, "Events that orphaned subscriptions did not get were not counted");
        });
      }
      return published;
    },
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

/** @param fresh What was not remembered before, as {@link deduplicationKey} writes it. The first envelope with it was accepted. */
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
    const accepted = ids.filter((id) => fresh.delete(deduplicationKey(queueOf(id), deduplication)));
    return { status: accepted.length > 0 ? "accepted" : "duplicate", subscriptions };
  });
}
