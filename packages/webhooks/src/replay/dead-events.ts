import { type EventBus, isBusbarError } from "@busbar/core";

/**
 * Sends an event to a subscription of the bus again that is a dead letter of it. Resolves with whether it is: not on a
 * provider that keeps no dead letters.
 */
export async function replayDeadEvent(
  { deadLetters }: EventBus,
  subscriberId: string,
  eventId: string,
): Promise<boolean> {
  try {
    let cursor: string | undefined;
    do {
      const page = await deadLetters.list({ subscriberId, cursor });
      const ids = page.items.filter(({ event }) => event.id === eventId).map(({ id }) => id);
      if (ids.length > 0) return (await deadLetters.replay(subscriberId, ids)) > 0;
      ({ cursor } = page);
    } while (cursor !== undefined);
    return false;
  } catch (error) {
    const isNone =
      isBusbarError(error, "BUSBAR_UNSUPPORTED") || isBusbarError(error, "BUSBAR_NOT_FOUND");
    if (isNone) return false;
    throw error;
  }
}
