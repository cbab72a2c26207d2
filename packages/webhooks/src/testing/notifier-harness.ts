import type { Notifier } from "../contract/notifier.ts";

/** `test` of vitest or of `node:test`. */
export type NotifierTestFunction = (
  name: string,
  options: { readonly skip?: boolean; readonly timeout?: number },
  run: () => Promise<void>,
) => unknown;

/** A delivery as it has arrived at a destination. */
export interface ArrivedDelivery {
  /** The id of the delivery, which is the same over all attempts. */
  readonly id: string;
  /** The payload. */
  readonly data: unknown;
}

/** A destination that a harness has started. */
export interface TestDestination {
  /** What a subscription to it has as its destination. */
  readonly destination: string;
  /** Resolves with the next delivery that arrives, each of them once. */
  next(): Promise<ArrivedDelivery>;
  /**
   * Connections to it that are open now. Without it, what the process has open is counted, and another test that ends
   * meanwhile may hide what a notifier leaves open.
   */
  readonly connections?: number | undefined;
  /** Ends it. */
  close(): Promise<void>;
}

/** What {@link testNotifier} needs to know of a notifier. */
export interface NotifierHarness<Settings = unknown> {
  /** Makes a notifier. Called for each case. */
  create(): Notifier<Settings> | Promise<Notifier<Settings>>;
  /** Starts a destination that accepts every delivery. Called for each case that delivers. */
  accepting(): TestDestination | Promise<TestDestination>;
  /**
   * Settings as a subscription would give them.
   *
   * @default {}
   */
  readonly settings?: unknown;
  /** Texts within `settings` that are secret: passwords, keys, tokens. At least 8 characters each. */
  readonly secrets?: readonly string[] | undefined;
  /** Settings that the schema must refuse, each with the path of what is wrong, such as `auth.token`. */
  readonly badSettings: readonly { readonly settings: unknown; readonly path: string }[];
  /** Destinations that must be refused. */
  readonly badDestinations: readonly string[];
  /**
   * Returns a destination that nobody listens at, such as a port that was closed. Without it those cases are skipped.
   */
  readonly unreachable?: (() => string | Promise<string>) | undefined;
  /**
   * Starts a destination that takes a delivery and never answers; `next` resolves when it has taken one. Without it the
   * case about ending an attempt is skipped.
   */
  readonly hanging?: (() => TestDestination | Promise<TestDestination>) | undefined;
  /**
   * The factor by which every time limit grows, for slow destinations.
   *
   * @default 1
   */
  readonly patience?: number | undefined;
}
