import type { Order } from "../order.ts";

/** A bus on Redis, ready for events. */
export interface RedisBus {
  /** Resolves when Redis has the event. */
  readonly emitOne: (order: Order) => Promise<unknown>;
  /** The same for many events in one call. */
  readonly emitMany: (orders: readonly Order[]) => Promise<unknown>;
  /** Stages the event in a group, where the bus has groups. */
  readonly stage?: (order: Order, eventGroupId: string) => Promise<unknown>;
  /** Resolves when Redis has the events of the group in its queues. */
  readonly release?: (eventGroupId: string) => Promise<void>;
  /** Runs workflows that emit one event each, where the bus has workflows. */
  readonly openWorkflow?: () => (order: Order) => Promise<unknown>;
  /** Waits for what is being handled, and disconnects. */
  readonly close: () => Promise<void>;
}

/** What a bus on Redis is opened with. */
export interface RedisBusOptions {
  readonly url: string;
  /** One function for each subscriber. Emitters that handle nothing know them, too. */
  readonly handlers: readonly ((order: Order) => Promise<void>)[];
  /** How many events each subscriber handles at a time. */
  readonly concurrency: number;
  /** Whether it emits only, handles only, or both. */
  readonly role: "server" | "worker" | "shared";
}

/** Opens a bus; whatever its subscribers need in Redis is there when it resolves. */
export type OpenRedisBus = (options: RedisBusOptions) => Promise<RedisBus>;
