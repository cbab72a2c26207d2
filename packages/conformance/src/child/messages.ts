import type { ConsumeSpec, SubscriptionSpec } from "@busbar/core";

/** What the suite tells a child process to do. */
export type ChildCommand =
  | {
      readonly type: "start";
      /** The file that makes the provider. */
      readonly module: string;
      readonly namespace: string;
    }
  | { readonly type: "declare"; readonly specs: readonly SubscriptionSpec[] }
  | {
      readonly type: "consume";
      readonly spec: ConsumeSpec;
      /** Ids that it never settles; it acknowledges the others. `all`: it settles none. */
      readonly hold: "all" | readonly string[];
    }
  | {
      /** Emits one event after the other, `<prefix>1` first, until it is killed. */
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
    }
  | { readonly type: "accepted"; readonly ids: readonly string[] }
  | { readonly type: "failed"; readonly error: string };
