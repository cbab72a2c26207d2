import type { BatchOptions, RateLimit } from "@busbar/core";
import type { ConsumeSpec, JsonValue, Settlement, SubscriptionSpec } from "@busbar/core/provider";

/** How a child process makes its provider. */
export interface ProviderSource {
  /** The file that makes it. */
  readonly module: string;
  /** What the harness has for that file. */
  readonly options: JsonValue | undefined;
  readonly namespace: string;
}

/** One subscription on a bus of the child's own, and what its handler does. */
export interface Work {
  readonly subscriptionId: string;
  readonly event: string;
  readonly concurrency: number;
  readonly maxCrashes: number;
  /** Milliseconds that each event takes. */
  readonly busyMs: number;
  /** The id of the event that kills the process. */
  readonly poison: string;
  /** Milliseconds that it takes for that. */
  readonly killsAfterMs: number;
  readonly rate?: RateLimit | undefined;
  /** Whether, and how, the handler gets several events at a time. */
  readonly batch?: BatchOptions | undefined;
}

/** The commands of the suite to a child process. */
export type ChildCommand =
  | {
      readonly type: "start";
      readonly source: ProviderSource;
    }
  | {
      /** Instead of `start`: the provider is the bus's. */
      readonly type: "work";
      readonly source: ProviderSource;
      readonly work: Work;
    }
  | {
      /** Instead of `start`: a bus that nothing happens on. Of all that the suite opens, nothing keeps the process alive. */
      readonly type: "idle";
      readonly source: ProviderSource;
    }
  | { readonly type: "declare"; readonly specs: readonly SubscriptionSpec[] }
  | {
      readonly type: "consume";
      readonly spec: ConsumeSpec;
      /**
       * Ids that it does not settle unless a command says so; it acknowledges the others. `all`: all. `fate`:
       * it settles each by its fate, a few milliseconds later.
       */
      readonly hold: "all" | "fate" | readonly string[];
    }
  | {
      /** SIGSTOP, by its own hand: a store in its process is not stopped in the middle of a transaction. */
      readonly type: "pause";
    }
  | {
      /** Settles what it holds. Done once the provider has been given the settlements. */
      readonly type: "settle";
      readonly settlements: readonly (readonly [id: string, settlement: Settlement])[];
    }
  | {
      /** Emits batches of events, until it is killed or has emitted very many. */
      readonly type: "emit";
      readonly prefix: string;
      readonly event: string;
      readonly batch: number;
    }
  | { readonly type: "stop"; readonly graceMs: number };

/** What a child process says. */
export type ChildReport =
  | { readonly type: "done"; readonly command: ChildCommand["type"] }
  | {
      readonly type: "delivered";
      readonly subscriptionId: string;
      readonly id: string;
      readonly crashes: number;
      /** Whether it comes with the state of a retry. */
      readonly retried: boolean;
    }
  | {
      /** Said before a batch is handled. */
      readonly type: "begun";
      readonly ids: readonly string[];
    }
  | {
      /** Said before the delivery is settled. */
      readonly type: "handled";
      readonly id: string;
    }
  | { readonly type: "accepted"; readonly ids: readonly string[] }
  | { readonly type: "failed"; readonly error: string };
