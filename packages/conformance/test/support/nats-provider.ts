import {
  AckPolicy,
  connect,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type NatsConnection,
  nanos,
  RetentionPolicy,
  StorageType,
} from "nats";
import {
  type ConsumeSpec,
  createPushConsumer,
  createRouter,
  decodeEnvelope,
  type Deliver,
  type Delivery,
  defineProvider,
  encodeEnvelope,
  type Envelope,
  type EventProvider,
  type JsonValue,
  type OpenConsumer,
  type OpenProvider,
  type ProviderContext,
  type PublishOptions,
  type PublishResult,
  type Settlement,
} from "@busbar/core/provider";

/** Milliseconds after which NATS delivers again what nobody has settled or asked more time for. */
const LEASE_MS = 1_000;
/** Milliseconds of a long poll. */
const WAIT_MS = 10_000;

/** What this process knows of a message that it has handed back: NATS keeps no state for it. */
interface HandedBack {
  readonly state: JsonValue | undefined;
  readonly crashes: number;
  /** The number of the delivery after which it was handed back. */
  readonly after: number;
}

/**
 * A provider on NATS JetStream, to prove `createPushConsumer` on a broker that answers long polls. It keeps its
 * subscriptions and states in the process, and so is not durable. NATS can delay a retry, and not a publish.
 */
export function natsProvider(url: string): EventProvider {
  return defineProvider({
    name: "nats",
    capabilities: { durable: false, payload: "fresh", retryDelay: true, redeliverAfterMs: 0 },
    async open(context) {
      const connection = await connect({
        servers: url,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
      });
      const manager = await connection.jetstreamManager();
      const broker = new Broker(context, connection, manager);
      await broker.open();
      return broker;
    },
  });
}

class Broker implements OpenProvider {
  readonly #context: ProviderContext;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #router = createRouter();
  /** Names of queues: any string is the id of a subscription. */
  readonly #queues = new Map<string, string>();
  /** Deliveries of each subscription that are neither acknowledged nor dead. */
  readonly #open = new Map<string, number>();
  readonly #handedBack = new Map<number, HandedBack>();
  readonly #lost = new Set<() => void>();
  #whenEmpty: (() => void) | undefined;
  /** Until it is there, a request would only run into its time limit. */
  #connected: Promise<void> = Promise.resolve();

  constructor(context: ProviderContext, connection: NatsConnection, manager: JetStreamManager) {
    this.#context = context;
    this.#connection = connection;
    this.#manager = manager;
    this.#client = connection.jetstream();
    this.#stream = `busbar-${context.instanceId}`;
  }

  async open(): Promise<void> {
    await this.#manager.streams.add({
      name: this.#stream,
      subjects: [`${this.#stream}.*`],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.Memory,
    });
    void this.#watch();
  }

  async publish(
    batch: readonly Envelope[],
    { deadline }: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    const timeout = Math.max(1, deadline - this.#context.clock.monotonic());
    return Promise.all(batch.map((envelope) => this.#publish(envelope, timeout)));
  }

  async consume(spec: ConsumeSpec, deliver: Deliver): Promise<OpenConsumer> {
    const { subscriptionId: id, concurrency } = spec;
    const queue = this.#queues.get(id) ?? `q${this.#queues.size}`;
    this.#queues.set(id, queue);
    await this.#manager.consumers.add(this.#stream, {
      durable_name: queue,
      filter_subject: `${this.#stream}.${queue}`,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(LEASE_MS),
      max_ack_pending: -1,
    });
    this.#router.add(id, spec.events);
    return createPushConsumer<JsMsg>({
      ...this.#context,
      concurrency,
      deliver,
      open: async ({ lost }) => {
        await this.#connected;
        const consumer = await this.#client.consumers.get(this.#stream, queue);
        this.#lost.add(lost);
        return {
          pull: async (count, { push, signal }) => {
            const messages = await consumer.fetch({ max_messages: count, expires: WAIT_MS });
            const stop = (): void => messages.stop();
            signal.addEventListener("abort", stop, { once: true });
            if (signal.aborted) stop();
            for await (const message of messages)
              push({ token: message, delivery: this.#toDelivery(message) });
            signal.removeEventListener("abort", stop);
          },
          // NATS looks then which long polls are over: it gives none of them what is handed back.
          stop: async () => void (await consumer.info()),
          close: async () => void this.#lost.delete(lost),
        };
      },
      settle: (message, settlement) => this.#settle(id, message, settlement),
      crash: async (message) => message.nak(),
      extend: async (messages) => {
        for (const message of messages) message.working();
      },
      extendEveryMs: LEASE_MS / 3,
    });
  }

  async drain({ graceMs }: { readonly graceMs: number }): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#context.clock.setTimeout(resolve, graceMs, { keepAlive: true });
      this.#whenEmpty = () => {
        if ([...this.#open.values()].some((count) => count > 0)) return;
        timer.cancel();
        resolve();
      };
      this.#whenEmpty();
    });
  }

  async probe(): Promise<{ readonly ok: boolean }> {
    await this.#connection.rtt();
    return { ok: true };
  }

  async close(): Promise<void> {
    for (const [subscriptionId, count] of this.#open) {
      if (count > 0) this.#context.report({ type: "discarded", subscriptionId, count });
    }
    await this.#manager.streams.delete(this.#stream).catch(() => false);
    await this.#connection.close();
  }

  /** Rejects if NATS does not answer in time: it may have stored the event. */
  async #publish(envelope: Envelope, timeout: number): Promise<PublishResult> {
    const ids = this.#router.match(envelope.name);
    const text = encodeEnvelope(envelope);
    for (const id of ids) this.#count(id, 1);
    const subjects = ids.map((id) => `${this.#stream}.${this.#queues.get(id)}`);
    await Promise.all(subjects.map((it) => this.#client.publish(it, text, { timeout })));
    return { status: "accepted", subscriptions: ids.length };
  }

  async #settle(id: string, message: JsMsg, settlement: Settlement): Promise<void> {
    const { seq, info } = message;
    if (settlement.type === "ack" || settlement.type === "dead") {
      if (!(await message.ackAck())) throw new Error("NATS has not heard of the settlement");
      this.#handedBack.delete(seq);
      this.#count(id, -1);
      return;
    }
    const { state, crashes } = this.#historyOf(message);
    const isRetry = settlement.type === "retry";
    this.#handedBack.set(seq, {
      state: isRetry ? settlement.state : state,
      crashes: isRetry ? 0 : crashes,
      after: info.deliveryCount,
    });
    message.nak(settlement.delayMs);
  }

  #toDelivery(message: JsMsg): Delivery {
    return { envelope: decodeEnvelope(message.string()), ...this.#historyOf(message) };
  }

  /**
   * Deliveries since it was handed back ended in crashes. NATS takes one from their number again if the long poll that
   * it was for had just ended.
   */
  #historyOf({ seq, info }: JsMsg): Omit<Delivery, "envelope"> {
    const { state, crashes = 0, after = 0 } = this.#handedBack.get(seq) ?? {};
    return { state, crashes: crashes + Math.max(0, info.deliveryCount - after - 1) };
  }

  #count(id: string, difference: number): void {
    this.#open.set(id, (this.#open.get(id) ?? 0) + difference);
    this.#whenEmpty?.();
  }

  /** NATS forgets long polls with their connection. */
  async #watch(): Promise<void> {
    let isBack: (() => void) | undefined;
    for await (const { type } of this.#connection.status()) {
      if (type === "disconnect") {
        this.#context.report({ type: "state", state: "degraded" });
        this.#connected = new Promise((resolve) => (isBack = resolve));
        for (const lost of this.#lost) lost();
      } else if (type === "reconnect") {
        this.#context.report({ type: "state", state: "ready" });
        isBack?.();
      }
    }
  }
}
