import { BusbarError } from "@busbar/core";
import {
  type ProbeResult,
  type ProviderContext,
  safeError,
  type Timer,
} from "@busbar/core/provider";
import type { Redis } from "ioredis";
import {
  type ConnectionSource,
  createClient,
  endClient,
  isClusterInstance,
  type RedisClient,
  serverOf,
  serverSetting,
} from "./client.ts";
import { watchConnection } from "./watchdog.ts";

/** The connections of a provider. All are its own: one that a user gave is duplicated, never used. */
export interface RedisLink {
  /**
   * For everything that does not block. A command fails at once while Redis is away, and with the
   * connection when that is lost: then its outcome is unknown. BullMQ's workers take it as their
   * `connection`: the copies that they make of it to block on wait for Redis instead.
   */
  readonly client: RedisClient;
  /** Whether a command would be sent now. */
  readonly isReady: boolean;
  /** Whether the connection is known to be lost, or to be impossible. */
  readonly isDown: boolean;
  /** Makes the error of what needs a Redis that is away: it says where that is, and why it is away. */
  away(): Error;
  /**
   * Resolves when Redis answers; rejects when the link is closed, or at the deadline if one is given: on the
   * clock's monotonic scale.
   */
  whenReady(deadline?: number): Promise<void>;
  /** Calls back whenever Redis answers again, before {@link whenReady} resolves. Returns what ends that. */
  onReconnect(listener: () => void): () => void;
  /** What is sent from now until all that happens in this turn of the event loop has, is one write. */
  gather(): void;
  /** The most bytes of an argument of a command, as far as is known: `proto-max-bulk-len` of Redis. */
  readonly mostBytes: number;
  /**
   * Finds out what Redis takes, once: it may be forbidden to ask. `refused`: the bytes of an argument that
   * Redis has not taken.
   */
  learnMostBytes(refused?: number): Promise<void>;
  /** Whether Redis answers. Changes nothing, and takes no longer than `commandTimeoutMs`. */
  probe(): Promise<ProbeResult>;
  /** Ends every connection, the copies too. Idempotent, and works while Redis is away. */
  close(): Promise<void>;
}

/** What {@link createRedisLink} needs. */
export interface RedisLinkOptions {
  readonly source: ConnectionSource;
  readonly commandTimeoutMs: number;
  readonly context: Pick<ProviderContext, "clock" | "namespace" | "report">;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Begins to connect, and does so again for ever whenever the connection is lost. */
export function createRedisLink(options: RedisLinkOptions): RedisLink {
  return new Link(options);
}

/** What Redis takes by default, in bytes: half a gigabyte. */
const MOST_BYTES = 512 * 1024 * 1024;

class Link implements RedisLink {
  readonly client: RedisClient;
  readonly #options: RedisLinkOptions;
  readonly #server: string;
  readonly #waiters = new Set<Waiter>();
  readonly #reconnectListeners = new Set<() => void>();
  readonly #copies = new Set<RedisClient>();
  /** Every socket's owner, with what ends the watch over it. */
  readonly #watched = new Map<Redis, () => void>();
  #state: "connecting" | "ready" | "down" = "connecting";
  #lastError: unknown;
  #mostBytes = MOST_BYTES;
  #learning: Promise<void> | undefined;
  #wasReady = false;
  #reviver: Timer | undefined;
  #isGathering = false;
  #closing: Promise<void> | undefined;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    const { source, commandTimeoutMs, context } = options;
    this.client = createClient({
      source,
      connectionName: `busbar:${encodeURIComponent(context.namespace)}`,
      connectTimeoutMs: commandTimeoutMs,
      onDuplicate: (copy) => this.#adoptCopy(copy),
    });
    this.#watch(this.client, true);
    this.client.on("ready", () => this.#onReady());
    this.client.on("error", (error: unknown) => this.#onError(error));
    this.client.on("node error", (error: unknown) => this.#onError(error));
    this.client.on("close", () => this.#onClose());
    this.client.on("end", () => this.#onEnd());
    this.#server = serverOf(this.client);
    context.report({ type: "state", state: "connecting", server: this.#server });
  }

  get isDown(): boolean {
    return this.#state === "down" && !this.isReady;
  }

  get isReady(): boolean {
    return this.client.status === "ready" && this.#closing === undefined;
  }

  whenReady(deadline?: number): Promise<void> {
    if (this.#closing) return Promise.reject(closed());
    if (this.isReady) return Promise.resolve();
    const { clock } = this.#options.context;
    return new Promise((resolve, reject) => {
      const timer =
        deadline === undefined
          ? undefined
          : clock.setTimeout(() => waiter.reject(this.away()), deadline - clock.monotonic());
      const settle = (): void => {
        timer?.cancel();
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener);
    return () => this.#reconnectListeners.delete(listener);
  }

  gather(): void {
    // A cluster has a stream for each node.
    const stream = isClusterInstance(this.client) ? undefined : (this.client as Redis).stream;
    if (!stream || this.#isGathering) return;
    this.#isGathering = true;
    stream.cork();
    // Promises that settle now come before it.
    process.nextTick(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  get mostBytes(): number {
    return this.#mostBytes;
  }

  learnMostBytes(refused = Number.POSITIVE_INFINITY): Promise<void> {
    this.#mostBytes = Math.min(this.#mostBytes, refused - 1);
    this.#learning ??= serverSetting(this.client, "proto-max-bulk-len").then((setting) => {
      if (Number(setting) > 0) this.#mostBytes = Math.min(Number(setting), this.#mostBytes);
    });
    return this.#learning;
  }

  async probe(): Promise<ProbeResult> {
    const { commandTimeoutMs, context } = this.#options;
    let timer: Timer | undefined;
    const late = new Promise<ProbeResult>((resolve) => {
      const detail = `Redis has not answered for ${commandTimeoutMs} ms`;
      timer = context.clock.setTimeout(() => resolve({ ok: false, detail }), commandTimeoutMs);
    });
    const answer = this.client.ping().then(
      () => ({ ok: true }),
      () => ({ ok: false, detail: "Redis is away" }),
    );
    const result = await Promise.race([answer, late]);
    timer?.cancel();
    return result;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  away(): Error {
    const cause = this.#lastError;
    const why = cause === undefined ? "" : ` (${safeError(cause).message})`;
    return new Error(`Redis at ${this.#server} cannot be reached${why}`, { cause });
  }

  async #end(): Promise<void> {
    this.#reviver?.cancel();
    for (const waiter of this.#waiters) waiter.reject(closed());
    const sockets = [...this.#watched.keys()];
    for (const unwatch of this.#watched.values()) unwatch();
    const clients = [this.client, ...this.#copies];
    await Promise.all(clients.map((client) => endClient(client, this.#options.context.clock)));
    for (const { stream } of sockets) stream?.destroy();
  }

  #onReady(): void {
    if (this.#wasReady) for (const listener of this.#reconnectListeners) listener();
    this.#wasReady = true;
    this.#lastError = undefined;
    this.#report("ready");
    for (const waiter of this.#waiters) waiter.resolve();
  }

  #onError(error: unknown): void {
    this.#lastError = error;
    // Later on credentials and certificates may be in the middle of a change; at first they are wrong.
    if (this.#wasReady || !(isRefusal(error) || isDistrust(error))) return;
    const refused = this.#refused(error);
    for (const waiter of this.#waiters) waiter.reject(refused);
  }

  #refused(cause: unknown): Error {
    const { message } = safeError(cause);
    const why = message.startsWith("NOAUTH")
      ? "it asks for a password (NOAUTH): give one in redisUrl or in connection"
      : message;
    return new Error(`Redis at ${this.#server} refuses the connection: ${why}`, { cause });
  }

  #onClose(): void {
    this.#report("down", this.#lastError ?? new Error("The connection to Redis was closed"));
  }

  /** It retries for ever, so this is a client that has given up on the names of its servers. */
  #onEnd(): void {
    if (this.#closing) return;
    this.#onClose();
    this.#reviver = this.#options.context.clock.setTimeout(() => {
      this.client.connect().catch((error: unknown) => this.#onError(error));
    }, 1_000);
  }

  #report(state: "ready" | "down", cause?: unknown): void {
    if (this.#closing || this.#state === state) return;
    this.#state = state;
    this.#options.context.report({
      type: "state",
      state,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #adoptCopy(copy: RedisClient): void {
    // Its errors are BullMQ's to deal with, but nobody may be listening yet or any more.
    copy.on("error", () => {});
    if (this.#closing) {
      copy.disconnect();
      return;
    }
    this.#copies.add(copy);
    this.#watch(copy, false);
    copy.on("end", () => this.#forgetCopy(copy));
    // BullMQ ends a copy that hangs, and connects it again.
    copy.on("connect", () => (this.#closing ? copy.disconnect() : void this.#copies.add(copy)));
  }

  #forgetCopy(copy: RedisClient): void {
    this.#copies.delete(copy);
  }

  #watch(client: RedisClient, ping: boolean): void {
    const { context, commandTimeoutMs: timeoutMs } = this.#options;
    const watch = (redis: Redis): void => {
      const onSilent = (silent: Redis): void => this.#replace(silent);
      const unwatch = watchConnection(redis, { clock: context.clock, timeoutMs, ping, onSilent });
      this.#watched.set(redis, unwatch);
    };
    const unwatch = (redis: Redis): void => {
      this.#watched.get(redis)?.();
      this.#watched.delete(redis);
    };
    if (!isClusterInstance(client)) {
      watch(client as Redis);
      return;
    }
    for (const node of client.nodes()) watch(node);
    client.on("+node", watch);
    client.on("-node", unwatch);
  }

  /** Ends a silent connection, and those that go the same way: they are made anew. */
  #replace(silent: Redis): void {
    const ms = this.#options.commandTimeoutMs;
    const error = new Error(`Redis has not answered for ${ms} ms`);
    for (const redis of this.#watched.keys()) {
      const { host, port } = redis.options;
      const isSameWay = host === silent.options.host && port === silent.options.port;
      if (isSameWay) redis.stream?.destroy(error);
    }
  }
}

function closed(): BusbarError {
  return new BusbarError("BUSBAR_NOT_RUNNING", "The Redis provider is not running", {
    method: "start",
  });
}

/** Whether Redis does not accept who we are. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH)/.test(error.message)
  );
}

/** Whether TLS has failed because one side does not accept the other's certificate. */
function isDistrust(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|HOSTNAME_|ERR_TLS_|ERR_SSL_)/.test(
    code,
  );
}
