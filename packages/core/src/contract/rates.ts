/** The starts of runs that {@link SharedRates.reserve} has reserved. */
export interface ReservedStarts {
  /** The milliseconds from now until each reserved start, the earliest first. 0 means now. May be empty. */
  readonly waitsMs: readonly number[];
  /** The milliseconds after which to call `reserve` again. Absent if all requested starts are reserved. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Counts the runs of subscriptions in all processes together, on the clock of the provider's server. Before the bus
 * begins a run of a subscription with a `rate`, it reserves a start. The bus then waits for the start by itself.
 */
export interface SharedRates {
  /**
   * Reserves the starts of at most `count` runs, so that at most `max` runs start in any `perMs` milliseconds. Each
   * start is as early as the earlier starts of all processes allow. Starts that are more than `horizonMs` milliseconds
   * away are not reserved, because the reserved starts of a process are lost when the process ends.
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
