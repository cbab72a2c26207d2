import type { EventProvider, JsonValue } from "@busbar/core/provider";
import type { HalfOpenOptions } from "./fault-proxy.ts";
import type { FaultLoad } from "./fault-load.ts";

/** What a case asks of the provider that it gets. */
export interface ProviderRequest {
  /**
   * The name of the bus that the provider is for. Providers that were made for the same namespace
   * reach the same store; a case has one of its own.
   */
  readonly namespace: string;
  /** Given only if the harness `adjusts` it: deliveries that may wait in one subscription. */
  readonly maxPending?: number | undefined;
  /** Given only if the harness `adjusts` it: for how long a `deduplicationId` is remembered. */
  readonly deduplicationWindowMs?: number | undefined;
}

/** An option of the provider that some cases need to be small. */
export type AdjustableOption = "maxPending" | "deduplicationWindowMs";

/** How patient the suite is. For brokers that are slow, or machines that are. */
export interface ConformanceTiming {
  /**
   * Multiplies every time limit.
   *
   * @default 1
   */
  readonly patience?: number | undefined;
  /**
   * Milliseconds of silence after which a case believes that nothing more comes. It waits for an
   * event behind what must not come wherever it can, and for silence only after that.
   *
   * @default 40
   */
  readonly quietMs?: number | undefined;
}

interface CommonFaults {
  /**
   * A file that makes the provider in a child process, so that the suite can kill it. It exports
   * `createProvider({ namespace }, options)`, or that function as its default.
   */
  readonly module: URL;
  /**
   * What the module's function gets as its second argument, such as the port of the broker or of a
   * proxy in front of it. Child processes inherit the environment too.
   */
  readonly options?: JsonValue | undefined;
  /**
   * Arguments of Node for the child processes. By default those of this process, and a loader for
   * TypeScript where a file needs it.
   */
  readonly execArgv?: readonly string[] | undefined;
}

/** Faults of a provider whose store is a file or a library, with nothing in between. */
export interface EmbeddedFaults extends CommonFaults {
  /** Whether there is a connection that can break. */
  readonly connection: false;
  /** Takes the store away and brings it back, with all that it was promised to keep. */
  restart?(): Promise<void>;
}

/**
 * Faults of a provider that talks to a broker or a database over a connection. `createFaultProxy` has
 * all but `restart`.
 */
export interface ConnectedFaults extends CommonFaults {
  /** Whether there is a connection that can break. */
  readonly connection: true;
  /** Stops the broker and starts it again, with all that it was promised to keep. */
  restart(): Promise<void>;
  /** Ends every connection to the broker, and lets none open until `heal`. */
  cut(): Promise<void>;
  /**
   * Lets every connection that is open go silent without ending it. New ones work, unless they are to
   * be `silent` too until `heal`, as with a broker that hangs.
   */
  halfOpen(options?: HalfOpenOptions): Promise<void>;
  /**
   * Ends `cut`, and lets new connections work again. One that has gone silent does not come back: it
   * stays so, or ends.
   */
  heal(): Promise<void>;
}

/** A transaction of a caller, on the database of a provider with the part `transactions`. */
export interface CallersTransaction {
  /** What `withTransaction` gets. */
  readonly transaction: unknown;
  /** Commits. Resolves when the transaction is durable. */
  commit(): Promise<void>;
  /** Rolls back. */
  rollback(): Promise<void>;
}

/** How the suite breaks what a durable provider must survive. */
export type ProviderFaults = EmbeddedFaults | ConnectedFaults;

/** Makes the provider under test. */
export interface ProviderHarness {
  /**
   * Makes a provider that is not started: one for each case, and more on the same namespace where a
   * case plays several processes. The suite stops it.
   */
  create(request: ProviderRequest): EventProvider | Promise<EventProvider>;
  /** Options that `create` passes on. Cases that need another one are skipped. */
  readonly adjusts?: readonly AdjustableOption[] | undefined;
  /** Required when `capabilities.durable`: a promise that nobody breaks is not known to hold. */
  readonly faults?: ProviderFaults | undefined;
  /**
   * For a provider that is not durable: a file that makes it in a child process, as `faults.module` does
   * for a durable one. Cases about the end of a process are skipped without it.
   */
  readonly module?: URL | undefined;
  /**
   * Bytes of data above which the provider rejects an event for good, if it rejects any. An event
   * of that size must then be refused.
   */
  readonly refusesAboveBytes?: number | undefined;
  /**
   * Begins a transaction as a caller would. The suite ends each. Required when the provider has the part
   * `transactions`.
   */
  beginTransaction?(): Promise<CallersTransaction>;
  /** How much the fault cases put on a durable provider, and for how long they break it. */
  readonly load?: FaultLoad | undefined;
  /** Removes what the provider keeps of a namespace. Called when its case is over. */
  cleanup?(request: { readonly namespace: string }): void | Promise<void>;
  /** How patient the cases are. For a slow server or a busy machine. */
  readonly timing?: ConformanceTiming | undefined;
}
