/** How the endpoint of a subscription is, over all processes. Times go by the clock of the database. */
export interface EndpointState {
  /** The subscription of the endpoint. */
  readonly subscriptionId: string;
  /**
   * The circuit breaker. `closed`: deliveries are attempted. `open`: they wait. `half-open`: one attempt finds out whether
   * the endpoint works again.
   */
  readonly breaker: "closed" | "open" | "half-open";
  /** Attempts that have failed in a row. */
  readonly failures: number;
  /** When the first of these attempts failed. Null if the last attempt has succeeded, or there was none. */
  readonly failingSince: Date | null;
  /** When an open breaker lets one attempt through. Null unless it is open or half-open. */
  readonly openUntil: Date | null;
  /** Until when the endpoint gets no attempts because it asked for a pause with `Retry-After`. Null if it did not. */
  readonly restsUntil: Date | null;
  /** Deliveries that wait for an attempt. */
  readonly waiting: number;
  /** Attempts that are under way. */
  readonly running: number;
}

/** Looks at the endpoints of subscriptions. */
export interface EndpointStates {
  /** Resolves with the state of one endpoint. An unknown subscription has an endpoint that has done nothing wrong. */
  get(subscriptionId: string): Promise<EndpointState>;
  /**
   * Resolves with the endpoints whose breaker is not closed, whose last attempt failed, or that rest: at most 100, those
   * that have failed for the longest first, and those that only rest last.
   */
  failing(): Promise<readonly EndpointState[]>;
}
