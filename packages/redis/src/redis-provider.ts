import { BusbarError } from "@busbar/core";
import {
  type ConsumerHandle,
  type EventProvider,
  type GroupStaging,
  type ProviderAdmin,
  type ProviderContext,
  rejectSafely,
} from "@busbar/core/provider";
import { createAdmin } from "./admin/admin.ts";
import { createRedisLink, type RedisLink } from "./connection/redis-link.ts";
import { checkServer } from "./connection/check-server.ts";
import { createServerClock } from "./store/server-clock.ts";
import { type Consumers, createConsumers } from "./consume/consumer.ts";
import { createGroups } from "./groups/groups.ts";
import { createKeys } from "./store/keys.ts";
import { type RedisProviderOptions, resolveOptions } from "./options.ts";
import { createPublisher, type Publisher } from "./publish/publisher.ts";
import { createRegistry } from "./registry/create-registry.ts";
import { checkBullMq } from "./store/bullmq-scripts.ts";
import { createScripts } from "./store/scripts.ts";
import type { Session } from "./registry/session.ts";
import { shieldedContext } from "./connection/shielded-context.ts";

/**
 * How long `start` waits for a Redis that is away, in milliseconds: a minute, and as long as it may take to
 * notice that it is back.
 */
const START_LIMIT_MS = 70_000;
/** What a stalled check may be late by, in milliseconds. */
const SLACK_MS = 1_000;

/** A provider between `start` and `stop`. */
interface Running {
  readonly session: Session;
  readonly publisher: Publisher;
  readonly consumers: Consumers;
  readonly admin: ProviderAdmin;
  readonly groups: GroupStaging;
}

/**
 * Makes a provider that keeps events in Redis, as jobs of BullMQ. What has been emitted outlives every
 * process; how much of it outlives a crash of Redis is up to the settings of Redis.
 *
 * `start` waits a minute for a Redis that is away. A connection that is lost is made again for ever.
 *
 * @throws TypeError when an option is not what it must be.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider: redisProvider({ redisUrl: "redis://127.0.0.1:6379" }) });
 * ```
 */
export function redisProvider(options: RedisProviderOptions): EventProvider {
  const resolved = resolveOptions(options);
  const open = new Set<ConsumerHandle>();
  let link: RedisLink | undefined;
  let running: Running | undefined;
  let stopping: Promise<void> | undefined;

  function now(method: string): Running {
    if (running && !stopping) return running;
    throw new BusbarError("BUSBAR_NOT_RUNNING", `Provider "redis" is not running`, { method });
  }

  /** What an error of ioredis carries, such as arguments of commands and passwords, ends here. */
  function call<T>(method: string, work: (running: Running) => T | Promise<T>): Promise<T> {
    return rejectSafely(() => work(now(method)));
  }

  async function start(given: ProviderContext): Promise<void> {
    if (link || stopping) {
      throw new TypeError(`Provider "redis" can be started once: make another one`);
    }
    checkBullMq();
    const context = shieldedContext(given);
    const { source, commandTimeoutMs } = resolved;
    const started = createRedisLink({ source, commandTimeoutMs, context });
    link = started;
    const keys = createKeys(resolved.prefix(context.namespace));
    const scripts = createScripts(started.client);
    const server = { context, options: resolved, keys, link: started, scripts };
    const serverClock = createServerClock(server);
    try {
      await started.whenReady(context.clock.monotonic() + START_LIMIT_MS);
      await checkServer(started, context);
      await serverClock.read();
    } catch (error) {
      serverClock.close();
      await started.close();
      throw error;
    }
    const registry = createRegistry({ ...server, serverClock });
    // Spelled out, as whatever is read for each delivery: an object that is spread has a shape of its own
    // in each provider, and code that is compiled for one is thrown away with the next.
    const session: Session = {
      context,
      options: resolved,
      keys,
      link: started,
      scripts,
      serverClock,
      registry,
    };
    const publisher = createPublisher(session);
    const groups = createGroups(session, publisher);
    const consumers = createConsumers(session);
    running = { session, publisher, consumers, admin: createAdmin(session), groups };
  }

  async function stop(graceMs: number): Promise<void> {
    const closing = [...open].map((consumer) => consumer.close({ graceMs }));
    await Promise.allSettled(closing);
    running?.session.registry.close();
    running?.session.serverClock.close();
    await link?.close();
  }

  return {
    name: "redis",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      priority: true,
      deduplication: true,
      ordering: true,
      redeliverAfterMs: resolved.lockDurationMs + 2 * resolved.stalledCheckMs + SLACK_MS,
      maxBatch: 1_000,
      wholeBatches: true,
    },
    subscriptions: {
      declare: (specs) => call("declare", ({ session }) => session.registry.declare(specs)),
      list: () => call("list", ({ session }) => session.registry.list()),
      retire: (id, how) => call("retire", ({ session }) => session.registry.retire(id, how)),
    },
    admin: {
      stats: () => call("stats", ({ admin }) => admin.stats()),
      listDead: (id, page) => call("listDead", ({ admin }) => admin.listDead(id, page)),
      replayDead: (id, ids) => call("replayDead", ({ admin }) => admin.replayDead(id, ids)),
      discardDead: (id, ids) => call("discardDead", ({ admin }) => admin.discardDead(id, ids)),
    },
    groups: {
      stage: (...args) => call("stage", ({ groups }) => groups.stage(...args)),
      mark: (...args) => call("mark", ({ groups }) => groups.mark(...args)),
      claim: (...args) => call("claim", ({ groups }) => groups.claim(...args)),
      abandon: (...args) => call("abandon", ({ groups }) => groups.abandon(...args)),
      complete: (...args) => call("complete", ({ groups }) => groups.complete(...args)),
      clear: (...args) => call("clear", ({ groups }) => groups.clear(...args)),
      list: (...args) => call("list", ({ groups }) => groups.list(...args)),
      known: {
        take: (id) => running?.groups.known?.take(id),
        release: (...args) =>
          call("complete", async ({ groups }) => groups.known?.release(...args)),
      },
    },
    start: (context) => rejectSafely(() => start(context)),
    publish: (batch, how) => call("publish", ({ publisher }) => publisher.publish(batch, how)),

    async consume(spec, deliver) {
      const consumer = await call("consume", ({ consumers }) => consumers.consume(spec, deliver));
      open.add(consumer);
      // It was not there yet when the others were closed.
      if (stopping) await consumer.close({ graceMs: 0 });
      return consumer;
    },

    stop({ graceMs }) {
      stopping ??= rejectSafely(() => stop(graceMs));
      return stopping;
    },

    serverTime: async () => now("serverTime").session.serverClock.read(),

    async probe() {
      if (!running || stopping) return { ok: false, detail: "The Redis provider is not running" };
      const { link, registry } = running.session;
      const { detail } = registry.forgotten;
      return detail === undefined ? link.probe() : { ok: false, detail };
    },
  };
}
