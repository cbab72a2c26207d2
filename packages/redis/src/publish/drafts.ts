import type { PackSpec } from "../scripts/publish-script.ts";

/**
 * From how many bytes on the data of a job for several subscriptions is sent once, as a draft that Redis
 * copies. What is shorter goes through the script for each of them, which is quicker than to draft it.
 */
export const LEAST_DRAFT_BYTES = 2_048;

/** How many drafts a publish has at most: the script names all of them in one command. */
const MOST_DRAFTS = 1_000;

/**
 * Takes out of `texts` what is the whole pack of several subscriptions, and has these packs refer to the
 * drafts that are returned instead.
 *
 * @param shared Positions of the texts that go to several, and whether these may have a draft.
 */
export function takeDrafts(
  texts: string[],
  packs: readonly PackSpec[],
  shared: ReadonlyMap<number, boolean>,
): readonly string[] {
  const users = new Map<number, PackSpec[]>();
  for (const [position, mayBeDraft] of shared) if (mayBeDraft) users.set(position, []);
  if (users.size === 0) return [];
  for (const pack of packs) {
    for (const position of pack.events) {
      // With others it is only a part of that pack.
      if (pack.events.length === 1) users.get(position)?.push(pack);
      else users.delete(position);
    }
  }
  const drafts: string[] = [];
  for (const [position, sharing] of users) {
    if (drafts.length === MOST_DRAFTS) break;
    const draft = drafts.push(`{"events":[${texts[position - 1]}${sharing[0]?.tail}`);
    texts[position - 1] = "";
    for (const pack of sharing) {
      pack.draft = draft;
      pack.events = [];
      delete pack.tail;
    }
  }
  return drafts;
}
