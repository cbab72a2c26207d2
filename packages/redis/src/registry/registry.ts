import type {
  Ordering,
  OrderedFailure,
  RetiredBacklog,
  Router,
  SubscriptionRegistry,
} from "@busbar/core/provider";

/** Milliseconds without a declaration after which the process of a temporary subscription has ended. */
export const TEMPORARY_MS = 300_000;

/** A subscription as Redis keeps it. */
export interface SubscriptionRecord {
  readonly subscriptionId: string;
  readonly events: readonly string[];
  readonly ordering: Ordering;
  readonly onOrderedFailure: OrderedFailure;
  readonly aliases: readonly string[];
  /** Names of its queues: new deliveries go to the first, and a consumer empties all. */
  readonly queues: readonly string[];
  /**
   * What its lanes and deduplication ids are kept under in its queues, which others may share: its id, or
   * that of the subscription whose queues it took over.
   */
  readonly scope: string;
  /** Given: it gets no new events. It is here for what waits in its queues. */
  readonly retired?: true | undefined;
  /** Given: somebody waits for one event. It is forgotten once nobody has declared it for {@link TEMPORARY_MS}. */
  readonly temporary?: true | undefined;
  /** Given: this is an earlier id, and everything is with the present one. */
  readonly renamedTo?: string | undefined;
}

/** The list of subscriptions at a time. */
export interface RegistrySnapshot {
  readonly version: string;
  readonly records: ReadonlyMap<string, SubscriptionRecord>;
  /** Earlier ids, each with the present one. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Over the records that are neither renamed nor retired. */
  readonly router: Router;
  /** Ids whose records cannot be read: they are declared anew by a process with code for them. */
  readonly unreadable: ReadonlySet<string>;
}

/** Knows which subscriptions Redis has forgotten, and which of them nobody has declared again. */
export interface Forgotten {
  /** Whether some subscription is missing. */
  readonly isSome: boolean;
  /** What is missing, in one sentence. Undefined: nothing is. */
  readonly detail: string | undefined;
  /** Whether an event of that name is for a subscription that is missing. */
  wants(name: string): boolean;
  /** Compares the list with the one before. */
  follow(snapshot: RegistrySnapshot): void;
}

/** The list of subscriptions in Redis, and this process's copy of it. */
export interface Registry extends SubscriptionRegistry {
  /** The copy, if nothing has to be asked or awaited first. */
  readonly present: RegistrySnapshot | undefined;
  /** The copy, read from Redis if there is none yet or `afresh`. */
  snapshot(afresh?: boolean): Promise<RegistrySnapshot>;
  /** What Redis has forgotten. */
  readonly forgotten: Pick<Forgotten, "isSome" | "detail" | "wants">;
  /** The record of a subscription under its present id. Undefined for an unknown one. */
  resolve(subscriptionId: string): Promise<SubscriptionRecord | undefined>;
  /** Calls back whenever the copy has changed. Returns a function that ends it. */
  onChange(listener: (snapshot: RegistrySnapshot) => void): () => void;
  /** As `drain` of the provider's admin part: what waits leaves the queues, and the subscription stays. */
  drain(subscriptionId: string, backlog: Exclude<RetiredBacklog, "keep">): Promise<number>;
  /** Ends what runs in the background. */
  close(): void;
}
