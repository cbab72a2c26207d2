import {
  type ConsumeSpec,
  createPollingConsumer,
  decodeEnvelope,
  type Deliver,
  type JsonValue,
  type OpenConsumer,
  type PolledDelivery,
  type Settlement,
} from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import { bury, trimDeadLetters } from "../admin/dead-letters.ts";
import type { Session } from "../session.ts";
import { createDeliveryStatements } from "./delivery-statements.ts";

/** Proof that this process has a delivery. */
interface Token {
  /** The row of the delivery. */
  readonly id: string;
  /** The lease under which it was claimed. */
  readonly lease: string;
}

/** Begins to deliver what a subscription has in its queue. */
export async function consume(
  session: Session,
  spec: ConsumeSpec,
  deliver: Deliver,
): Promise<OpenConsumer> {
  const { context, database, options, registry, wakeUps } = session;
  const { clock, logger } = context;
  const { pollEveryMs, leaseMs } = options;
  const statements = createDeliveryStatements(database, leaseMs);
  const { subscriptionId, concurrency } = spec;
  const queue = await registry.queueOf(subscriptionId);

  async function fetch(limit: number): Promise<readonly PolledDelivery<Token>[]> {
    const lease = crypto.randomUUID();
    const claimed = await database.execute(statements.claim, [queue, lease, limit], {
      isFrequent: true,
    });
    return claimed.map((row) => ({
      token: { id: row["id"] as string, lease },
      delivery: {
        envelope: decodeEnvelope(row["body"] as string),
        state: stateOf(row),
        crashes: row["crashes"] as number,
      },
    }));
  }

  async function die(
    { id, lease }: Token,
    death: Extract<Settlement, { type: "dead" }>,
  ): Promise<void> {
    await database.transaction(async (executor) => {
      const own = await executor.execute(statements.lock, [id, lease]);
      if (own.length > 0) await bury(executor, database, [id], death);
    });
    await trimDeadLetters(context, database, queue, subscriptionId);
  }

  const consumer = createPollingConsumer<Token>({
    clock,
    logger,
    concurrency,
    deliver,
    fetch,
    pollEveryMs,
    wake: (callback) => wakeUps.on(queue, callback),
    /** Does as the bus says, unless another process has the delivery by now. */
    async settle(token, settlement) {
      const { id, lease } = token;
      if (settlement.type === "dead") return die(token, settlement);
      if (settlement.type === "ack") {
        await database.execute(statements.remove, [id, lease], { isFrequent: true });
      } else if (settlement.type === "retry") {
        const delayMs = Math.ceil(settlement.delayMs);
        const state = JSON.stringify(settlement.state);
        await database.execute(statements.retry, [id, lease, delayMs, state]);
      } else {
        // Without a delay it keeps its place.
        const delayMs = settlement.delayMs ? Math.ceil(settlement.delayMs) : null;
        await database.execute(statements.release, [id, lease, delayMs]);
      }
    },
    async extend(tokens) {
      for (const lease of new Set(tokens.map((it) => it.lease))) {
        const ids = tokens.filter((it) => it.lease === lease).map(({ id }) => id);
        await database.execute(statements.extend, [JSON.stringify(ids), lease]);
      }
    },
    extendEveryMs: leaseMs / 3,
  });
  // Without `wake`: a publish wakes the queues that it has filled, and no others.
  return {
    close: (how) => consumer.close(how),
    whenIdle: () => consumer.whenIdle(),
  };
}

function stateOf({ state }: SqlRow): JsonValue | undefined {
  return typeof state === "string" ? (JSON.parse(state) as JsonValue) : undefined;
}
