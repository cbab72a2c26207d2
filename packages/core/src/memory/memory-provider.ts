import type {
  EventProvider,
  ProbeResult,
  ProviderAdmin,
  ProviderCapabilities,
  SubscriptionRegistry,
} from "../contract/provider.ts";
import type { ScheduleStore } from "../contract/schedule-store.ts";
import { defineProvider, notRunning, type OpenProvider } from "../provider/define-provider.ts";
import {
  assertOptions,
  checkObject,
  type Checks,
  checkText,
  wholeFrom,
} from "../values/arguments.ts";
import type { DeliveryChannel } from "./delivery-channel.ts";
import { MemoryEngine } from "./memory-engine.ts";
import { MemorySchedules } from "./memory-schedules.ts";

/** Options of {@link createMemoryProvider}. */
export interface MemoryProviderOptions {
  /** The provider's name, such as `"local"`. */
  readonly name: string;
  /** The fan-out to the queues. The provider's own: no two share one. */
  readonly channel: DeliveryChannel;
  /**
   * Deliveries that may wait in one subscription, those of a later time included. A publish waits for
   * room until its deadline.
   *
   * @default 100_000
   */
  readonly maxPending?: number | undefined;
  /**
   * Milliseconds for which a subscription remembers a `deduplicationId`.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
}

const OPTIONS: Checks<MemoryProviderOptions> = {
  name: checkText,
  channel: checkObject,
  maxPending: wholeFrom(1),
  deduplicationWindowMs: wholeFrom(1),
};

/** An {@link EventProvider} with all parts that it can have without a store. */
export interface MemoryProvider extends EventProvider {
  /** The subscription list of this process. */
  readonly subscriptions: SubscriptionRegistry;
  /** Backlog and dead letters of this process. */
  readonly admin: ProviderAdmin;
  /** The schedules of this process. */
  readonly schedules: ScheduleStore;
  /** Says whether the provider has started and not stopped. */
  probe(): Promise<ProbeResult>;
}

const CAPABILITIES: ProviderCapabilities = {
  durable: false,
  payload: "shared",
  delay: true,
  retryDelay: true,
  priority: true,
  deduplication: true,
  ordering: true,
  targets: true,
  redeliverAfterMs: 0,
};

/**
 * Makes a provider that keeps everything in the memory of this process. It can be started once: what
 * it held is gone when it stops, so another run takes another provider.
 */
export function createMemoryProvider(options: MemoryProviderOptions): MemoryProvider {
  assertOptions("createMemoryProvider()", options, OPTIONS, {
    name: 'such as "local"',
    channel: "such as new EventEmitter()",
  });
  const { name, channel, maxPending = 100_000, deduplicationWindowMs = 3_600_000 } = options;
  return defineProvider({
    name,
    capabilities: CAPABILITIES,
    parts: ["subscriptions", "admin", "schedules"],
    shortcuts: ["tryPublish"],
    optional: ["setPaused", "getDead", "listWaiting", "drain", "cancel"],
    readsAfterStop: true,
    open: async (context) =>
      openEngine(new MemoryEngine(context, channel, { maxPending, deduplicationWindowMs }), name),
  });
}

function openEngine(
  engine: MemoryEngine,
  name: string,
): OpenProvider<"subscriptions" | "admin" | "schedules"> {
  const { clock, subscriptions } = engine;
  return {
    publish: (batch, options) =>
      engine.isStopped
        ? Promise.reject(notRunning(name, "publish"))
        : engine.publish(batch, options),
    tryPublish: engine.tryPublish.bind(engine),
    consume: async (spec, deliver) => engine.consume(spec, deliver),
    subscriptions: {
      declare: async (specs) => engine.declare(specs),
      list: async () => subscriptions.list(),
      retire: async (id, { events, backlog }) => engine.retire(id, events, backlog),
      setPaused: async (id, paused) => subscriptions.setPaused(id, paused),
    },
    admin: {
      stats: async () => Array.from(subscriptions.queues(), (queue) => queue.stats()),
      listDead: async (id, { limit, cursor }) =>
        subscriptions.queue(id)?.listDead(limit, cursor) ?? { items: [] },
      getDead: async (id, ids) => subscriptions.queue(id)?.getDead(ids) ?? [],
      replayDead: async (id, ids, { data } = {}) =>
        subscriptions.queue(id)?.replayDead(ids, data) ?? 0,
      listWaiting: async (id, page) => subscriptions.queue(id)?.listWaiting(page) ?? { items: [] },
      drain: async (id, { backlog }) => engine.drain(id, backlog),
      cancel: async (eventId, { subscriptionId }) => engine.cancel(eventId, subscriptionId),
      discardDead: async (id, ids) => subscriptions.queue(id)?.discardDead(ids) ?? 0,
    },
    schedules: new MemorySchedules({ clock, publish: (batch) => engine.placeAll(batch) }),
    // Ends the consumers as well, and reports what is left.
    drain: ({ graceMs }) => engine.stop(graceMs),
    close: async () => {},
  };
}
