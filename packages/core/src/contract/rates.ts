/** Starts of runs that {@link SharedRates.reserve} has reserved. */
export interface ReservedStarts {
  /** How many milliseconds from now each reserved start is, the earliest first. 0 is now. May be empty. */
  readonly waitsMs: readonly number[];
  /** When to ask again, in milliseconds. Absent if every start that was asked for is reserved. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Counts the runs of subscriptions over all processes, by the clock of the provider's server. The bus asks before it
 * begins a run of a subscription that has a `rate`, and waits by itself.
 */
export interface SharedRates {
  /**
   * Reserves the starts of at most `count` runs, so that at most `max` runs start in any `perMs` milliseconds. A
   * start is as early as the starts of all processes before it allow. Starts that are more than `horizonMs`
   * milliseconds away are not reserved: a process that ends takes its reserved starts with it.
   */
  reserve(
    subscriptionId: string,
    options: {
      readonly max: number;
      readonly perMs: number;
      readonly count: number;
      readonly horizonMs: number;
    },
  ): Promise<ReservedStarts>;
}
