/** What a bus has done since its start, in this process. */
export interface BusCounters {
  /** Events that the provider accepted. */
  emitted: number;
  /** Accepted events that no subscription wants. */
  unrouted: number;
  /** Events that the provider had accepted before under their `deduplicationId`. */
  duplicates: number;
  /** Events that an interceptor dropped. */
  intercepted: number;
  /** Deliveries that a handler acknowledged. */
  acknowledged: number;
  /** Runs that failed or timed out, the last ones included. */
  failed: number;
  /** Deliveries that ended dead. */
  dead: number;
  /** Dead letters that were deleted at their bound, or that the provider could not keep. */
  deadLettersDropped: number;
  /** Deliveries and staged events that were given up because the process stopped or a TTL ended. */
  discarded: number;
}

/** All counters at zero. */
export function createCounters(): BusCounters {
  return {
    emitted: 0,
    unrouted: 0,
    duplicates: 0,
    intercepted: 0,
    acknowledged: 0,
    failed: 0,
    dead: 0,
    deadLettersDropped: 0,
    discarded: 0,
  };
}
