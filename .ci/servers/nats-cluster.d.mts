import type { Settings, TestServer } from "./start-server.mjs";

/** Servers of NATS that are one cluster. */
export interface NatsCluster {
  /** Names of the servers, as the cluster reports them for leaders. */
  readonly names: readonly string[];
  readonly urls: readonly string[];
  server(name: string): TestServer | undefined;
  /** Resolves when every server runs, knows the leader, and has what the others have. */
  settled(): Promise<void>;
  /** Ends every server and removes what it has on disk. */
  stop(): Promise<void>;
}

export interface NatsClusterOptions {
  /**
   * How many servers.
   *
   * @default 3
   */
  readonly size?: number;
  /** More settings of one server. */
  readonly settingsOf?: (name: string) => Settings;
}

export function startNatsCluster(options?: NatsClusterOptions): Promise<NatsCluster>;
