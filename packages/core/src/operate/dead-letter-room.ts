import type { ProviderAdmin } from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";

/** Deliveries that are looked at in one go. */
const PAGE_SIZE = 1_000;

/** Deliveries that are to become dead letters. */
export interface DeadLettering {
  readonly method: "drain" | "retire";
  readonly subscriberId: string;
  /** How many dead letters a subscription keeps. */
  readonly maxPerSubscription: number;
  /** Whether an event of this name is meant. Absent: every event is. */
  readonly isMeant?: ((name: string) => boolean) | undefined;
}

/**
 * Checks that dead letters have room for what waits. A provider keeps no more than there is room for and leaves the
 * rest where it is, so what other processes add meanwhile is not lost either.
 *
 * @throws BusbarError `BUSBAR_CONFLICT` when there is no room. Nothing has changed then.
 */
export async function assertDeadLetterRoom(
  admin: ProviderAdmin,
  { method, subscriberId, maxPerSubscription, isMeant }: DeadLettering,
): Promise<void> {
  // A provider drops dead letters that are too old when they are listed.
  await admin.listDead(subscriberId, { limit: 1 });
  const stats = (await admin.stats()).find((it) => it.subscriptionId === subscriberId);
  if (!stats) return;
  const { ready, delayed, dead } = stats;
  const all = ready + delayed;
  if (all + dead <= maxPerSubscription) return;
  const waiting = isMeant ? await countWaiting(admin, subscriberId, isMeant) : all;
  if (waiting === 0 || waiting + dead <= maxPerSubscription) return;
  throw new BusbarError(
    "BUSBAR_CONFLICT",
    `${method}() would turn ${waiting} pending deliveries of subscription ${quoted(subscriberId)} into dead letters. ` +
      `The subscription has ${dead} dead letters and keeps at most ${maxPerSubscription}. ` +
      'Use backlog: "discard", raise deadLetters.maxPerSubscription, or replay or discard dead letters first',
    { kind: "subscription", id: subscriberId, waiting, dead, maxPerSubscription },
  );
}

/** 0 on a provider that cannot list what waits. */
async function countWaiting(
  admin: ProviderAdmin,
  subscriberId: string,
  isMeant: (name: string) => boolean,
): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await admin.listWaiting?.(subscriberId, { limit: PAGE_SIZE, cursor });
    for (const { envelope } of page?.items ?? []) if (isMeant(envelope.name)) count += 1;
    cursor = page?.cursor;
  } while (cursor !== undefined);
  return count;
}
