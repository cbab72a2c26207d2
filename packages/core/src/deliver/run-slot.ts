import type { Settlement } from "../contract/provider.ts";
import type { Subscriber } from "../contract/subscriber.ts";
import type { DeliveryRun } from "./delivery-run.ts";
import type { DeliveryState } from "./failures.ts";
import type { Subscription } from "./subscription.ts";

/** What a {@link RunSlot} calls. */
export interface RunSteps {
  execute(slot: RunSlot): void | Promise<void>;
  succeed(slot: RunSlot): void;
  fail(slot: RunSlot, thrown: unknown): void;
}

/**
 * A run under way. It is used again for another one when that has ended, since making its three
 * functions for each delivery costs more than calling them.
 */
export class RunSlot {
  /** Counts the runs: tells which of two began first. */
  order = 0;
  isBusy = false;
  run!: DeliveryRun;
  subscription!: Subscription;
  handlers!: readonly Subscriber[];
  /** As it was before the run. */
  state!: DeliveryState;
  /** On the scale of `clock.monotonic()`, if the bus has a listener. */
  startedAt: number | undefined = undefined;
  settle!: (settlement: Settlement) => void;
  readonly execute: () => void | Promise<void>;
  readonly succeed: () => void;
  readonly fail: (thrown: unknown) => void;

  constructor(steps: RunSteps) {
    this.execute = () => steps.execute(this);
    this.succeed = () => steps.succeed(this);
    this.fail = (thrown) => steps.fail(this, thrown);
  }
}
