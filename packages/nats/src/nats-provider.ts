import {
  defineProvider,
  type EventProvider,
  type OpenProvider,
  type ProviderContext,
} from "@busbar/core/provider";
import { errors } from "@nats-io/transport-node";
import { createAdmin } from "./admin/admin.ts";
import { createDeadLetters } from "./admin/dead-letters.ts";
import { type Broker, openBroker } from "./broker.ts";
import { openConnection } from "./connection/open-connection.ts";
import { consume } from "./consume/consumer.ts";
import { type NatsProviderOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { createPublisher } from "./publish/publisher.ts";
import { createRegistry } from "./registry/registry.ts";
import { createRetire } from "./registry/retire.ts";
import type { Session } from "./session.ts";
import { startSweeping } from "./streams/sweep.ts";
import { VERSION } from "./version.ts";

/** What the end of a lease may be late by, in milliseconds. */
const SLACK_MS = 2_000;
/** Milliseconds that numbers of NATS may be late by. */
const STATS_LAG_MS = 250;
/** Milliseconds for which a start tries again while NATS does not answer. */
const START_WITHIN_MS = 30_000;

/** The optional parts of a provider that NATS has. */
type Part = "subscriptions" | "admin";

/**
 * Creates a provider that stores events in NATS JetStream, on one server or on a cluster.
 *
 * @throws TypeError when an option has an invalid value.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider: natsProvider({ servers: "nats://127.0.0.1:4222" }) });
 * ```
 */
export function natsProvider(options: NatsProviderOptions = {}): EventProvider {
  const resolved = resolveOptions(options);
  return defineProvider<Part>({
    name: "nats",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: false,
      retryDelay: true,
      deduplication: true,
      targets: true,
      redeliverAfterMs: resolved.leaseMs + SLACK_MS,
      maxBatch: 256,
      statsLagMs: STATS_LAG_MS,
      lateSettlements: "applied",
    },
    parts: ["subscriptions", "admin"],
    optional: ["setPaused", "getDead"],
    versions: () => ({ "@busbar/nats": VERSION }),
    open: (context) => openNats(resolved, context),
  });
}

/** Tries again while NATS does not answer: a stream of a cluster has no leader for some seconds after it was made. */
async function untilAnswered<T>(
  open: () => Promise<T>,
  { clock }: Pick<ProviderContext, "clock">,
): Promise<T> {
  const limit = clock.monotonic() + START_WITHIN_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof errors.TimeoutError) || clock.monotonic() > limit) throw error;
    }
  }
}

async function openNats(
  options: ResolvedOptions,
  context: ProviderContext,
): Promise<OpenProvider<Part>> {
  const connection = await openConnection(options, context);
  let broker: Broker;
  try {
    broker = await untilAnswered(() => openBroker(connection, options, context), context);
  } catch (error) {
    await connection.close();
    throw error;
  }
  const registry = createRegistry(context, broker);
  const publisher = createPublisher(context, broker, registry);
  const deadLetters = createDeadLetters(context, broker);
  const session: Session = {
    context,
    options,
    connection,
    broker,
    registry,
    publisher,
    deadLetters,
  };
  const sweeping = startSweeping(context, broker, registry);
  return {
    publish: (batch, how) => publisher.publish(batch, how),
    consume: (spec, deliver) => consume(session, spec, deliver),
    subscriptions: {
      declare: registry.declare,
      list: registry.list,
      setPaused: registry.setPaused,
      retire: createRetire(session),
    },
    admin: createAdmin(session),
    serverTime: () => broker.readClock(),
    async probe() {
      await broker.manager.getAccountInfo();
      return { ok: true };
    },
    close() {
      sweeping.close();
      return connection.close();
    },
  };
}
