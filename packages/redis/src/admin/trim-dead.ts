import { insistently } from "../insistently.ts";
import type { Session } from "../session.ts";

/** Drops dead letters beyond their bounds, and reports how many. */
export async function trimDead(
  session: Omit<Session, "registry">,
  subscriptionId: string,
): Promise<void> {
  const { context, keys, scripts } = session;
  const { maxPerSubscription, maxAgeMs } = context.deadLetters;
  let dropped = 0;
  for (;;) {
    const args = [keys.own, subscriptionId, maxPerSubscription, maxAgeMs];
    const count = await insistently(session, () =>
      scripts.trim(`${keys.own}dead:${subscriptionId}`, args),
    );
    if (count === 0) break;
    dropped += count;
  }
  if (dropped > 0) {
    context.report({ type: "dead-letters-dropped", subscriptionId, count: dropped });
  }
}
