/** From how many bytes on a text may be larger than some Redis takes: the least that can be set is a megabyte. */
export const LARGE_BYTES = 524_288;

/** The bytes of the largest text among those that have more than `above`; 0 if none has. */
export function largestAbove(above: number, texts: readonly string[]): number {
  let largest = 0;
  for (const text of texts) {
    // A character is at most three bytes.
    if (text.length * 3 > above) largest = Math.max(largest, Buffer.byteLength(text));
  }
  return largest > above ? largest : 0;
}
