/** Says how long answers of the database have been on their way. */
export interface Arrivals {
  /**
   * Milliseconds since an answer was made, beyond those that the fastest answer takes.
   *
   * @param madeAt The time of the database in the answer.
   * @param sentAt The monotonic time at which the statement was sent.
   * @param arrivedAt The monotonic time at which the answer arrived.
   */
  delayOf(madeAt: number, sentAt: number, arrivedAt: number): number;
}

/**
 * Compares the database's clock with the monotonic clock of the process, by the answer that took the least time. If
 * either clock is wrong, an answer counts as late by at most the time that its statement took.
 */
export function createArrivals(): Arrivals {
  let fastest = Number.POSITIVE_INFINITY;
  return {
    delayOf(madeAt, sentAt, arrivedAt) {
      const apart = arrivedAt - madeAt;
      fastest = Math.min(fastest, apart);
      return Math.min(apart - fastest, arrivedAt - sentAt);
    },
  };
}
