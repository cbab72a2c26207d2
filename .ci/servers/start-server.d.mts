/** A server of a test's own, which it may stop and kill. */
export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly isRunning: boolean;
  /** Starts it again after `kill`, with what it has on disk. */
  start(): Promise<void>;
  /** As a crash: nothing is tidied up. Of Redis, what was written in the last second may be lost. */
  kill(): Promise<void>;
  /** Shuts it down in order, and starts it again. */
  restart(): Promise<void>;
  /** From now on it says nothing, and its connections stay open, as with a machine that hangs. */
  freeze(): void;
  /** Lets one that is frozen go on. */
  thaw(): void;
  /** Ends it, and removes what it has on disk. */
  stop(): Promise<void>;
}

export type ServerKindName =
  | "redis"
  | "valkey"
  | "sentinel"
  | "postgres"
  | "pgbouncer"
  | "nats"
  | "rabbitmq";

/** As in the configuration file of the server. A list is several words. For NATS a block is its text: `{ … }`. */
export type Settings = Readonly<Record<string, string | number | readonly string[]>>;

export interface StartServerOptions {
  readonly settings?: Settings;
}

export function startServer(
  kind: ServerKindName,
  options?: StartServerOptions,
): Promise<TestServer>;
export function freePort(): Promise<number>;
