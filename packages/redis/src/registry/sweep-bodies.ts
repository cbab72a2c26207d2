import { insistently } from "../insistently.ts";
import type { Session } from "../session.ts";

/** Milliseconds for which nobody else looks: a little less than a process waits before it declares again. */
const LOOKED_FOR_MS = 50_000;

/**
 * Deletes bodies that no job refers to any more, although nobody has settled these: jobs that were removed
 * by hand. One process looks for all.
 */
export async function sweepBodies(session: Omit<Session, "registry">): Promise<void> {
  const { keys, scripts, context } = session;
  const key = `${keys.own}bodies`;
  for (let goesOn = 0; ; goesOn = 1) {
    const args = [keys.own, LOOKED_FOR_MS, goesOn];
    const [deleted, hasMore] = await insistently(session, () => scripts.sweepBodies(key, args));
    if (deleted > 0) {
      context.logger.debug({ bodies: deleted }, "Bodies of jobs that are gone were deleted");
    }
    if (hasMore === 0) return;
  }
}
