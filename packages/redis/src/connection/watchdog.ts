import type { Clock, Timer } from "@busbar/core/provider";
import type { Redis } from "ioredis";

/** What {@link watchConnection} needs. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whether to ask for a sign of life. Not on a connection that blocks: it answers nothing meanwhile. */
  readonly ping: boolean;
  /** A connection has been silent for too long. */
  readonly onSilent: (redis: Redis) => void;
}

/** Bytes in a millisecond that a line takes at least, however slow: a megabyte in a second. */
const LEAST_BYTES_PER_MS = 1_000;

/**
 * Notices a connection that has gone silent without an end, as when a machine or a firewall on the way
 * has died. Answers come in order, so a PING that is not answered says it of every command before it. What is
 * large is long on its way: it is not silence while bytes leave, nor for as long as they take to arrive.
 * Returns a function that ends the watch.
 */
export function watchConnection(redis: Redis, options: WatchOptions): () => void {
  const { clock, timeoutMs } = options;
  let limit: Timer | undefined;
  let next: Timer | undefined;
  let isEnded = false;

  const rest = (): void => {
    limit?.cancel();
    next?.cancel();
  };
  /** What had been given to the connection when it last answered, in bytes. */
  let answeredAt = 0;
  const wait = (ms: number): void => {
    const before = progressOf(redis);
    limit = clock.setTimeout(() => {
      const now = progressOf(redis);
      if (now.unsent > 0 && now.unsent !== before.unsent) wait(timeoutMs);
      else options.onSilent(redis);
    }, ms);
  };
  const expect = (): void => {
    rest();
    const { written } = progressOf(redis);
    wait(timeoutMs + Math.max(written - answeredAt, 0) / LEAST_BYTES_PER_MS);
  };
  const ping = (): void => {
    expect();
    // An error is an answer too; a lost connection has its own events.
    redis.ping().then(pingLater, pingLater);
  };
  const pingLater = (): void => {
    rest();
    answeredAt = progressOf(redis).written;
    if (isEnded || redis.status !== "ready") return;
    next = clock.setTimeout(ping, timeoutMs / 4);
  };
  const begin = (): void => {
    answeredAt = 0;
    expect();
  };
  const onReady = options.ping ? pingLater : rest;

  // Between "connect" and "ready" the server is asked for its state, and may be silent as well.
  redis.on("connect", begin);
  redis.on("ready", onReady);
  redis.on("close", rest);
  if (redis.status === "ready") onReady();

  return () => {
    isEnded = true;
    rest();
    redis.off("connect", begin);
    redis.off("ready", onReady);
    redis.off("close", rest);
  };
}

/** What has been given to a connection, and how much of that the system has not taken yet, in bytes. */
function progressOf({ stream }: Redis): { readonly written: number; readonly unsent: number } {
  // Node's own idle timer looks at this number: nothing else tells of progress within one write.
  const handle = (stream as { readonly _handle?: { readonly writeQueueSize?: number } } | undefined)
    ?._handle;
  const written = (stream as { readonly bytesWritten?: number } | undefined)?.bytesWritten ?? 0;
  return { written, unsent: handle?.writeQueueSize ?? 0 };
}
