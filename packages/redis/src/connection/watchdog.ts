import type { Clock, Timer } from "@busbar/core";
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

/**
 * Notices a connection that has gone silent without an end, as when a machine or a firewall on the way
 * has died. Answers come in order, so a PING that is not answered says it of every command before it.
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
  const expect = (): void => {
    rest();
    limit = clock.setTimeout(() => options.onSilent(redis), timeoutMs);
  };
  const ping = (): void => {
    expect();
    // An error is an answer too; a lost connection has its own events.
    redis.ping().then(pingLater, pingLater);
  };
  const pingLater = (): void => {
    rest();
    if (isEnded || redis.status !== "ready") return;
    next = clock.setTimeout(ping, timeoutMs / 4);
  };
  const onReady = options.ping ? pingLater : rest;

  // Between "connect" and "ready" the server is asked for its state, and may be silent as well.
  redis.on("connect", expect);
  redis.on("ready", onReady);
  redis.on("close", rest);
  if (redis.status === "ready") onReady();

  return () => {
    isEnded = true;
    rest();
    redis.off("connect", expect);
    redis.off("ready", onReady);
    redis.off("close", rest);
  };
}
