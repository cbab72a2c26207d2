import { requirePeer } from "../peers.ts";

/** The part of a client of ioredis that is used here. */
export interface RedisClient {
  info(section: string): Promise<string>;
  xadd(...args: readonly (string | number)[]): Promise<string>;
  xgroup(...args: readonly (string | number)[]): Promise<unknown>;
  xreadgroup(...args: readonly (string | number)[]): Promise<StreamReply | null>;
  xack(...args: readonly (string | number)[]): Promise<number>;
  pipeline(): RedisPipeline;
  quit(): Promise<unknown>;
  disconnect(): void;
}

/** Commands that are sent together. */
export interface RedisPipeline {
  xadd(...args: readonly (string | number)[]): this;
  exec(): Promise<readonly (readonly [error: Error | null, result: unknown])[]>;
}

/** Of one stream: its name, and of each entry the id, and field after value. */
export type StreamReply = readonly (readonly [
  stream: string,
  entries: readonly (readonly [id: string, fields: readonly string[]])[],
])[];

interface IoredisModule {
  readonly Redis: new (url: string, options: object) => RedisClient;
}

/** A client of the peers' ioredis, set up the way BullMQ's workers need it. */
export function connectToRedis(url: string): RedisClient {
  const { Redis } = requirePeer<IoredisModule>("ioredis");
  return new Redis(url, { maxRetriesPerRequest: null });
}
