/** A PostgreSQL server of the tests' own, which can be stopped and started. */
export interface Cluster {
  /** After the first start. */
  readonly url: string;
  start(): Promise<void>;
  /** `immediate` is as a crash. */
  stop(options?: { readonly immediate?: boolean }): Promise<void>;
  remove(): Promise<void>;
}

export function setup(): Promise<() => Promise<void>>;
export function providePostgres(): Promise<{ url: string; stop: () => Promise<void> }>;
export function hasPostgres(): boolean;
export function createCluster(): Cluster;
