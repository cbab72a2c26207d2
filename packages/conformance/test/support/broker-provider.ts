import { type Socket, connect } from "node:net";
import {
  type ConsumerHandle,
  type ConsumeSpec,
  createPushConsumer,
  decodeEnvelope,
  type Deliver,
  type Delivery,
  type Envelope,
  type EventProvider,
  type GroupStaging,
  type InstanceBoard,
  type ProviderContext,
  type PublishResult,
  type PushLink,
  type Settlement,
  type SharedRates,
  type Timer,
} from "@busbar/core/provider";
import { type Frame, type Mistake, onLines } from "./broker-protocol.ts";
import { retriesInTwoSteps } from "./two-steps.ts";

const PING_EVERY_MS = 100;
const SILENCE_MS = 400;
const RECONNECT_AFTER_MS = 30;

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** What a connection pushes to one consumer: the token of a delivery is its number. */
interface Channel {
  readonly spec: ConsumeSpec;
  readonly link: PushLink<number>;
}

/** A durable provider with a connection: the client of the tests' broker. */
export function brokerProvider(port: number, ...mistakes: readonly Mistake[]): EventProvider {
  const client = new BrokerClient(port, new Set(mistakes));
  const call =
    (method: string) =>
    (...args: readonly unknown[]) =>
      client.request(method, args);
  const part = <T>(...methods: readonly string[]): T =>
    Object.fromEntries(methods.map((method) => [method, call(method)])) as T;
  const provider: EventProvider = {
    name: "broker",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      priority: true,
      deduplication: true,
      ordering: true,
      targets: true,
      redeliverAfterMs: 1_000,
      maxBatch: 1_000,
    },
    subscriptions: part("declare", "list", "retire", "setPaused"),
    admin: part(
      "stats",
      "listDead",
      "getDead",
      "replayDead",
      "discardDead",
      "listWaiting",
      "drain",
      "cancel",
    ),
    board: Object.fromEntries(
      ["post", "list", "remove", "watch", "show", "read"].map((it) => [it, call(`board.${it}`)]),
    ) as unknown as InstanceBoard,
    rates: { reserve: call("rates.reserve") as SharedRates["reserve"] },
    groups: {
      ...part<GroupStaging>("stage", "mark", "complete", "abandon", "clear", "list"),
      list: call("listGroups") as GroupStaging["list"],
      claim: async (options) => ((await client.request("claim", [options])) ?? undefined) as never,
    },
    start: (context) => client.start(context),
    publish: (batch, { deadline }) => client.publish(batch, deadline),
    consume: (spec, deliver) => client.consume(spec, deliver),
    stop: ({ graceMs }) => client.stop(graceMs),
    serverTime: async () => (await client.serverTime()) as number,
    probe: async () => ({ ok: client.isReady }),
  };
  return mistakes.includes("retries in two steps") ? retriesInTwoSteps(provider) : provider;
}

/** Bytes of the largest string that the broker takes. Else it refuses the whole batch. */
export const LARGEST = 2_097_152;

const TOO_LARGE: PublishResult = {
  status: "rejected",
  code: "refused",
  reason: "an event is too large",
  retryable: false,
};

class BrokerClient {
  readonly #port: number;
  readonly #mistakes: ReadonlySet<Mistake>;
  readonly #pending = new Map<number, Pending>();
  readonly #channels = new Map<number, Channel>();
  readonly #consumers = new Set<ConsumerHandle>();
  readonly #whenConnected = new Set<() => void>();
  #context: ProviderContext | undefined;
  #socket: Socket | undefined;
  isReady = false;
  #lastId = 0;
  #closing = 0;
  #heardAt = 0;
  #timer: Timer | undefined;
  #stopping: Promise<void> | undefined;
  #failStart: ((error: Error) => void) | undefined;

  constructor(port: number, mistakes: ReadonlySet<Mistake>) {
    this.#port = port;
    this.#mistakes = mistakes;
  }

  async start(context: ProviderContext): Promise<void> {
    if (this.#context) throw new TypeError("Started before");
    this.#context = context;
    this.#connect();
    if (this.#mistakes.has("says it has started without a broker")) return;
    await new Promise<void>((resolve, reject) => {
      this.#whenConnected.add(resolve);
      this.#failStart = reject;
    });
  }

  async publish(batch: readonly Envelope[], deadline: number): Promise<readonly PublishResult[]> {
    if (this.#closing > 0 && this.#mistakes.has("publishes nothing while a consumer closes")) {
      throw new Error("publish: not running");
    }
    if (batch.some(({ data }) => typeof data === "string" && data.length > LARGEST)) {
      return batch.map(() => TOO_LARGE);
    }
    const own = this.#mistakes.has("filters by its own subscriptions")
      ? Array.from(this.#channels.values(), ({ spec }) => spec.subscriptionId)
      : undefined;
    const publish = this.request("publish", [batch, own], deadline);
    if (!this.#mistakes.has("accepts before the broker has it")) {
      return (await publish) as readonly PublishResult[];
    }
    publish.catch(() => {});
    return batch.map(() => ({ status: "accepted", subscriptions: 3 }));
  }

  async consume(spec: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle> {
    if (!this.#context || this.#stopping) throw new Error("consume: not running");
    const inHand = new Set<number>();
    let isFirst = true;
    const consumer = createPushConsumer<number>({
      ...this.#context,
      concurrency: spec.concurrency,
      deliver: (delivery) => this.#deliver(spec, deliver, delivery),
      open: async (link) => {
        const forgets = !isFirst && this.#mistakes.has("consumes no more after a reconnect");
        if (forgets) await new Promise<never>(() => {});
        isFirst = false;
        inHand.clear();
        const push: typeof link.push = (pushed) => {
          inHand.add(pushed.token);
          link.push(pushed);
        };
        return this.#openChannel({ spec, link: { ...link, push } });
      },
      settle: async (number, settlement) => {
        inHand.delete(number);
        const acks = this.#mistakes.has("acks what it has no code for");
        const isAck = acks && settlement.type === "release";
        this.#settle(number, isAck ? { type: "ack" } : settlement);
      },
      crash: async (number) => this.#settle(number, null),
      release: async (numbers) => {
        for (const number of numbers) this.#settle(number, { type: "release" });
      },
    });
    let closing: Promise<void> | undefined;
    const handle: ConsumerHandle = {
      close: ({ graceMs }) =>
        (closing ??= this.#close(graceMs, inHand, async () => {
          await consumer.close({ graceMs });
          this.#consumers.delete(handle);
        })),
    };
    this.#consumers.add(handle);
    return handle;
  }

  async serverTime(): Promise<unknown> {
    const isOwn = this.#mistakes.has("tells its own time for that of the broker");
    return isOwn ? this.#context?.clock.now() : this.request("time", []);
  }

  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /** Waits for a connection, asks, and rejects when the connection ends before the answer. */
  async request(
    method: string,
    args: readonly unknown[],
    deadline: number = performance.now() + 60_000,
  ): Promise<unknown> {
    if (!this.#context || this.#stopping) throw new Error(`${method}: not running`);
    if (!this.isReady) await this.#connected(deadline);
    return this.#send(method, args);
  }

  #send(method: string, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#write(id, method, args);
    });
  }

  #write(id: number, method: string, args: readonly unknown[]): void {
    this.#socket?.write(
      `${JSON.stringify({ id, method, args, now: this.#context?.clock.now() })}\n`,
    );
  }

  #connected(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#context?.clock.setTimeout(
        () => {
          this.#whenConnected.delete(done);
          reject(new Error("No connection"));
        },
        Math.max(0, deadline - performance.now()),
      );
      const done = (): void => {
        timer?.cancel();
        if (this.isReady) resolve();
        else reject(new Error("Stopped"));
      };
      this.#whenConnected.add(done);
    });
  }

  #connect(): void {
    const socket = connect(this.#port, "127.0.0.1");
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.once("connect", () => void this.#hello(socket));
    socket.once("close", () => this.#lost(socket));
    onLines(socket, (line) => this.#hear(JSON.parse(line) as Frame));
  }

  async #hello(socket: Socket): Promise<void> {
    const { namespace = "", deadLetters, orphanedAfterMs } = this.#context ?? {};
    this.#heardAt = this.#now();
    this.#ping();
    try {
      await this.#send("hello", [namespace, { deadLetters, orphanedAfterMs }]);
    } catch {
      return;
    }
    if (this.#socket !== socket) return;
    this.isReady = true;
    this.#state("ready");
    for (const callback of this.#whenConnected) callback();
    this.#whenConnected.clear();
  }

  #now(): number {
    const isWall = this.#mistakes.has("renews its leases by the wall clock");
    return (isWall && this.#context?.clock.now()) || performance.now();
  }

  #ping(): void {
    this.#timer?.cancel();
    const bears =
      this.#mistakes.has("never notices silence") ||
      (this.#mistakes.has("waits for ever for an answer to its greeting") && !this.isReady);
    if (this.#now() - this.#heardAt > SILENCE_MS && !bears) {
      this.#socket?.destroy();
      return;
    }
    this.#write(0, "ping", []);
    this.#timer = this.#context?.clock.setTimeout(() => this.#ping(), PING_EVERY_MS);
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#timer?.cancel();
    if (this.isReady) this.#state("degraded");
    this.isReady = false;
    for (const { reject } of this.#pending.values()) reject(new Error("Connection lost"));
    this.#pending.clear();
    for (const { link } of this.#channels.values()) link.lost(new Error("Connection lost"));
    this.#channels.clear();
    if (this.#stopping || this.#mistakes.has("does not reconnect")) return;
    this.#timer = this.#context?.clock.setTimeout(() => this.#connect(), RECONNECT_AFTER_MS, {
      keepAlive: true,
    });
  }

  #state(state: "ready" | "degraded"): void {
    if (this.#mistakes.has("reports no states")) return;
    try {
      this.#context?.report({ type: "state", state });
    } catch (err) {
      this.#context?.logger.error({ err }, "A report to the bus failed");
    }
  }

  #hear(frame: Frame): void {
    this.#heardAt = this.#now();
    switch (frame.type) {
      case "report":
        this.#context?.report(frame.report);
        break;
      case "delivery":
        this.#push(frame);
        break;
      default: {
        const pending = this.#pending.get(frame.id);
        this.#pending.delete(frame.id);
        if (frame.type === "result") pending?.resolve(frame.result);
        else pending?.reject(new Error(frame.error));
      }
    }
  }

  #push({
    consumer,
    number,
    envelope,
    state,
    crashes,
  }: Extract<Frame, { type: "delivery" }>): void {
    const delivery = { envelope: decodeEnvelope(envelope), state, crashes };
    const channel = this.#channels.get(consumer);
    if (channel) channel.link.push({ token: number, delivery });
    else this.#settle(number, { type: "release" });
  }

  async #openChannel(channel: Channel): Promise<{ stop(): Promise<void>; close(): Promise<void> }> {
    const id = ++this.#lastId;
    this.#channels.set(id, channel);
    try {
      await this.request("consume", [id, channel.spec]);
    } catch (error) {
      this.#channels.delete(id);
      throw error;
    }
    return {
      // The broker takes settlements of what it has pushed for as long as they come.
      stop: async () => void this.#send("close", [id, 600_000]).catch(() => {}),
      close: async () => void this.#channels.delete(id),
    };
  }

  async #deliver(spec: ConsumeSpec, deliver: Deliver, delivery: Delivery): Promise<Settlement> {
    const takenAt = performance.now();
    const settlement = await deliver(delivery);
    const isLate = performance.now() - takenAt > SILENCE_MS;
    if (isLate && this.#mistakes.has("settles what another has in hand")) {
      void this.#settleEvent(spec.subscriptionId, delivery.envelope.id, settlement);
    }
    return settlement;
  }

  #settle(number: number, settlement: Settlement | null): void {
    if (this.isReady) this.#write(0, "settle", [number, settlement]);
  }

  /** Over whichever connection there is by then. */
  async #settleEvent(subscriptionId: string, id: string, it: Settlement): Promise<void> {
    const told = this.request("settle event", [subscriptionId, id, it]);
    await told.catch(() => this.#stopping ?? this.#settleEvent(subscriptionId, id, it));
  }

  async #close(
    graceMs: number,
    inHand: ReadonlySet<number>,
    close: () => Promise<void>,
  ): Promise<void> {
    this.#closing += 1;
    if (this.#mistakes.has("gives up what it has to hand back")) {
      this.#context?.clock.setTimeout(() => {
        const dead = { type: "dead", reason: "failed", state: null } as const;
        for (const number of inHand) this.#settle(number, dead);
      }, graceMs / 2);
    }
    await close();
    this.#closing -= 1;
  }

  async #stop(graceMs: number): Promise<void> {
    if (this.#mistakes.has("hangs in stop without a broker") && this.#context && !this.isReady) {
      await new Promise<never>(() => {});
    }
    await Promise.all(Array.from(this.#consumers, (it) => it.close({ graceMs })));
    this.#timer?.cancel();
    this.isReady = false;
    this.#failStart?.(new Error("Stopped"));
    for (const callback of this.#whenConnected) callback();
    if (!this.#mistakes.has("keeps its socket")) this.#socket?.destroy();
    for (const { reject } of this.#pending.values()) reject(new Error("Stopped"));
    this.#pending.clear();
  }
}
