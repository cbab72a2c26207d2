/** The upper bound of the first bucket, in milliseconds. */
const FIRST_MS = 0.1;
/** Buckets in which a duration doubles: each is 19 % wider than the one before. */
const PER_DOUBLING = 4;
/** Buckets in all: the last one begins at about an hour. */
const BUCKETS = 102;

/** Counts of durations by bucket. The buckets are the same everywhere, so that histograms can be added. */
export type Histogram = Uint32Array;

/** A histogram without durations. */
export function createHistogram(): Histogram {
  return new Uint32Array(BUCKETS);
}

/** Adds one duration. */
export function addDuration(histogram: Histogram, durationMs: number): void {
  const bucket = Math.ceil(PER_DOUBLING * Math.log2(durationMs / FIRST_MS));
  // What is not above the first bound, and what is no number, is in the first bucket.
  histogram[bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0]! += 1;
}

/** The counts that are not 0, as pairs of a bucket and its count in one list. */
export function toPairs(histogram: Histogram): number[] {
  return Array.from(histogram).flatMap((count, bucket) => (count > 0 ? [bucket, count] : []));
}

/** Adds what {@link toPairs} has made. Ignores what is no pair of a bucket and a count. */
export function addPairs(histogram: Histogram, pairs: readonly unknown[]): void {
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const [bucket, count] = [Number(pairs[index]), Number(pairs[index + 1])];
    if (bucket in histogram && Number.isSafeInteger(count) && count > 0) {
      histogram[bucket]! += count;
    }
  }
}

/**
 * The duration in milliseconds below which a share of the durations is, at most 19 % too high. Null if there are none.
 *
 * @param share From 0 to 1: 0.95 for the 95th percentile.
 */
export function quantile(histogram: Histogram, share: number): number | null {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = share * total;
  const bucket = histogram.findIndex((count) => (left -= count) <= 0 && count > 0);
  const upper = FIRST_MS * 2 ** ((bucket === -1 ? BUCKETS - 1 : bucket) / PER_DOUBLING);
  return Number(upper.toPrecision(3));
}
