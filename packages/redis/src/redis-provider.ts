import {
  defineProvider,
  type EventProvider,
  type OpenProvider,
  type ProviderContext,
} from "@busbar/core/provider";
import { createAdmin } from "./admin/admin.ts";
import { createBoard } from "./admin/board.ts";
import { createRedisLink } from "./connection/redis-link.ts";
import { checkServer } from "./connection/check-server.ts";
import { createServerClock } from "./store/server-clock.ts";
import { createConsumers } from "./consume/consumer.ts";
import { createGroups } from "./groups/groups.ts";
import { createKeys } from "./store/keys.ts";
import { type RedisProviderOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { createPublisher } from "./publish/publisher.ts";
import { createRates } from "./rates/rates.ts";
import { createRegistry } from "./registry/create-registry.ts";
import { checkBullMq } from "./store/bullmq-scripts.ts";
import { createSchedules } from "./schedules/schedules.ts";
import { createScripts } from "./store/scripts.ts";
import { VERSION } from "./version.ts";
import type { Session } from "./registry/session.ts";
import { shieldedContext } from "./connection/shielded-context.ts";

/**
 * How long `start` waits for a Redis that is away, in milliseconds: a minute, and as long as it may take to
 * notice that it is back.
 */
const START_LIMIT_MS = 70_000;
/** What a stalled check may be late by, in milliseconds. */
const SLACK_MS = 1_000;

/** The optional parts of a provider that Redis has. */
type Part = "subscriptions" | "admin" | "groups" | "board" | "schedules" | "rates";

/**
 * Creates a provider that stores events in Redis, as jobs of BullMQ. Emitted events survive the end of every process.
 * The settings of Redis decide which events survive a crash of Redis.
 *
 * `start` waits up to a minute for Redis to become available. The provider reconnects until the bus stops.
 *
 * @throws TypeError when an option has an invalid value.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider: redisProvider({ redisUrl: "redis://127.0.0.1:6379" }) });
 * ```
 */
export function redisProvider(options: RedisProviderOptions): EventProvider {
  const resolved = resolveOptions(options);
  return defineProvider<Part>({
    name: "redis",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      priority: true,
      deduplication: true,
      ordering: true,
      targets: true,
      redeliverAfterMs: resolved.lockDurationMs + 2 * resolved.stalledCheckMs + SLACK_MS,
      maxBatch: 1_000,
      wholeBatches: true,
    },
    parts: ["subscriptions", "admin", "groups", "board", "schedules", "rates"],
    optional: ["setPaused", "getDead", "listWaiting", "drain", "cancel", "queueName"],
    versions: () => ({ "@busbar/redis": VERSION }),
    shortcuts: ["known"],
    open: (context, { signal }) => openRedis(resolved, context, signal),
  });
}

async function openRedis(
  options: ResolvedOptions,
  given: ProviderContext,
  signal: AbortSignal,
): Promise<OpenProvider<Part>> {
  checkBullMq();
  const context = shieldedContext(given);
  const { source, commandTimeoutMs } = options;
  const link = createRedisLink({ source, commandTimeoutMs, context });
  // Ends a wait for Redis.
  signal.addEventListener("abort", () => void link.close(), { once: true });
  const keys = createKeys(options.prefix(context.namespace));
  const scripts = createScripts(link.client);
  const server = { context, options, keys, link, scripts };
  const serverClock = createServerClock(server);
  try {
    await link.whenReady(context.clock.monotonic() + START_LIMIT_MS);
    await checkServer(link, context);
    await serverClock.read();
  } catch (error) {
    serverClock.close();
    await link.close();
    throw error;
  }
  const registry = createRegistry({ ...server, serverClock });
  // Spelled out, as whatever is read for each delivery: an object that is spread has a shape of its own
  // in each provider, and code that is compiled for one is thrown away with the next.
  const session: Session = { context, options, keys, link, scripts, serverClock, registry };
  const publisher = createPublisher(session);
  const consumers = createConsumers(session);
  return {
    publish: (batch, how) => publisher.publish(batch, how),
    consume: (spec, deliver) => consumers.consume(spec, deliver),
    subscriptions: registry,
    admin: createAdmin(session),
    groups: createGroups(session, publisher),
    board: createBoard(session),
    schedules: createSchedules(session, publisher),
    rates: createRates(session),
    serverTime: () => serverClock.read(),
    async probe() {
      const { detail } = registry.forgotten;
      return detail === undefined ? link.probe() : { ok: false, detail };
    },
    async close() {
      registry.close();
      serverClock.close();
      await link.close();
    },
  };
}
