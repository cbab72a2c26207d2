/** Numbers from 0 to below 1. */
export type Random = () => number;

/**
 * Makes a generator that gives the same numbers for the same seed, on every machine: mulberry32, 32
 * bits of state. Good enough to mix up tests, and for nothing secret.
 */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
