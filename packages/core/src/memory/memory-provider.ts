import type {
  ConsumerHandle,
  ConsumeSpec,
  Deliver,
  Envelope,
  EventProvider,
  ProbeResult,
  ProviderAdmin,
  ProviderCapabilities,
  ProviderContext,
  PublishOptions,
  PublishResult,
  SubscriptionRegistry,
} from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import type { DeliveryChannel } from "./delivery-channel.ts";
import { MemoryEngine } from "./memory-engine.ts";

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

/** An {@link EventProvider} with all parts that it can have without a store. */
export interface MemoryProvider extends EventProvider {
  /** The subscription list of this process. */
  readonly subscriptions: SubscriptionRegistry;
  /** Backlog and dead letters of this process. */
  readonly admin: ProviderAdmin;
  /** Says whether the provider has started and not stopped. */
  probe(): Promise<ProbeResult>;
}

const CAPABILITIES: ProviderCapabilities = {
  durable: false,
  payload: "shared",
  delay: true,
  priority: true,
  deduplication: true,
  ordering: true,
  redeliverAfterMs: 0,
};

/**
 * Makes a provider that keeps everything in the memory of this process. It can be started once: what
 * it held is gone when it stops, so another run takes another provider.
 */
export function createMemoryProvider(options: MemoryProviderOptions): MemoryProvider {
  const { name, channel, maxPending = 100_000, deduplicationWindowMs = 3_600_000 } = options;
  assertPositive("maxPending", maxPending);
  assertPositive("deduplicationWindowMs", deduplicationWindowMs);
  return new InMemoryProvider(name, (context) => {
    return new MemoryEngine(context, channel, { maxPending, deduplicationWindowMs });
  });
}

class InMemoryProvider implements MemoryProvider {
  readonly name: string;
  readonly capabilities: ProviderCapabilities = CAPABILITIES;
  readonly subscriptions: SubscriptionRegistry;
  readonly admin: ProviderAdmin;
  readonly #createEngine: (context: ProviderContext) => MemoryEngine;
  #engine: MemoryEngine | undefined;

  constructor(name: string, createEngine: (context: ProviderContext) => MemoryEngine) {
    this.name = name;
    this.#createEngine = createEngine;
    this.subscriptions = {
      declare: async (specs) => this.#running("subscriptions.declare").declare(specs),
      list: async () => this.#started("subscriptions.list").subscriptions.list(),
      retire: async (id, { events, backlog }) =>
        this.#running("subscriptions.retire").retire(id, events, backlog),
    };
    this.admin = {
      stats: async () => {
        const { subscriptions } = this.#started("admin.stats");
        return Array.from(subscriptions.queues(), (queue) => queue.stats());
      },
      listDead: async (id, { limit, cursor }) => {
        const queue = this.#started("admin.listDead").subscriptions.queue(id);
        return queue?.listDead(limit, cursor) ?? { items: [] };
      },
      replayDead: async (id, ids) =>
        this.#running("admin.replayDead").subscriptions.queue(id)?.replayDead(ids) ?? 0,
      discardDead: async (id, ids) =>
        this.#running("admin.discardDead").subscriptions.queue(id)?.discardDead(ids) ?? 0,
    };
  }

  async start(context: ProviderContext): Promise<void> {
    if (this.#engine) {
      throw new TypeError(`Provider "${this.name}" can be started once: make another one`);
    }
    this.#engine = this.#createEngine(context);
  }

  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]> {
    const engine = this.#engine;
    if (!engine || engine.isStopped) return Promise.reject(this.#notRunning("publish"));
    return engine.publish(batch, options);
  }

  tryPublish(batch: readonly Envelope[]): readonly PublishResult[] | undefined {
    const engine = this.#engine;
    return engine && !engine.isStopped ? engine.tryPublish(batch) : undefined;
  }

  async consume(spec: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle> {
    return this.#running("consume").consume(spec, deliver);
  }

  stop({ graceMs }: { readonly graceMs: number }): Promise<void> {
    return this.#engine?.stop(graceMs) ?? Promise.resolve();
  }

  async probe(): Promise<ProbeResult> {
    return { ok: this.#engine !== undefined && !this.#engine.isStopped };
  }

  #started(method: string): MemoryEngine {
    if (!this.#engine) throw this.#notRunning(method);
    return this.#engine;
  }

  #running(method: string): MemoryEngine {
    const engine = this.#started(method);
    if (engine.isStopped) throw this.#notRunning(method);
    return engine;
  }

  #notRunning(method: string): BusbarError<"BUSBAR_NOT_RUNNING"> {
    const message = `Provider "${this.name}" is not running: ${method} needs a start before and no stop`;
    return new BusbarError("BUSBAR_NOT_RUNNING", message, { method });
  }
}

function assertPositive(option: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new TypeError(`${option} must be a whole number from 1, and is ${value}`);
}
