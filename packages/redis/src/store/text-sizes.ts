import { type JsonValue, withoutErrorTexts } from "@busbar/core/provider";
import type { RedisLink } from "../connection/redis-link.ts";
import { objectIn } from "./stored-events.ts";

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

/**
 * Takes the texts of errors out of the texts of a settlement that are larger than Redis takes. Those that are
 * too large without them stay as they are.
 *
 * @param failed Whether Redis has refused these: it takes less than the largest of them. Or whether the
 *   connection was lost again and again while they were sent, which may be why: then no large one keeps its texts.
 */
export async function fitTexts(
  link: Pick<RedisLink, "mostBytes" | "learnMostBytes">,
  texts: readonly string[],
  failed?: "refused" | "lost",
): Promise<readonly string[]> {
  const largest = largestAbove(LARGE_BYTES, texts);
  if (largest === 0) return texts;
  await link.learnMostBytes(failed === "refused" ? largest : undefined);
  const most = failed === "lost" ? LARGE_BYTES : link.mostBytes;
  return texts.map((text) => (Buffer.byteLength(text) > most ? withoutTexts(text) : text));
}

/** The data of a job, or what is known of a dead letter: both have a `state`. */
function withoutTexts(text: string): string {
  const value = objectIn(text);
  const state: JsonValue | undefined = value?.["state"];
  return state === undefined ? text : JSON.stringify({ ...value, state: withoutErrorTexts(state) });
}
