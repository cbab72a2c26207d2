import { decodeEnvelope, type SubscriptionRegistry } from "@busbar/core/provider";
import { createHistories, type MessagePlace } from "../consume/history.ts";
import { acknowledge, handBack, type QueueMessage } from "../consume/message.ts";
import { createSource } from "../consume/source.ts";
import { createRememberedIds } from "../publish/remembered-ids.ts";
import type { Session } from "../session.ts";

/** Milliseconds in which NATS sends the pending messages of a queue. */
const TAKE_WITHIN_MS = 500;

/** A message that waits in a queue of a subscription. */
interface WaitingMessage {
  readonly place: MessagePlace;
  readonly message: QueueMessage;
}

/** Makes `retire`: takes a subscription from the list, and then its backlog out of its queues. */
export function createRetire(session: Session): SubscriptionRegistry["retire"] {
  const { broker, context, deadLetters, options, registry } = session;
  const { connection, names } = broker;
  const histories = createHistories(broker);
  const rememberedIds = createRememberedIds(broker);

  /** Takes the pending messages of a queue. What NATS keeps for a delayed retry is not among it. */
  async function take(place: MessagePlace, count: number): Promise<readonly WaitingMessage[]> {
    if (count === 0) return [];
    const stream = names.stream(place.partition);
    const name = names.consumer(place.queue);
    const source = createSource(connection, context.clock, stream, name, TAKE_WITHIN_MS);
    const taken: WaitingMessage[] = [];
    try {
      await source.pull(count, (message) => taken.push({ place, message }));
    } finally {
      await source.close();
      await broker.lookAt(place);
    }
    return taken;
  }

  async function backlogOf(subscriptionId: string): Promise<readonly WaitingMessage[]> {
    const { list, layout } = await registry.refresh();
    const found: WaitingMessage[] = [];
    for (const place of layout.of(list.presentId(subscriptionId))) {
      const infos = await broker.consumersOf(place, layout.partitions);
      for (const [partition, { num_pending, num_ack_pending }] of infos.entries()) {
        // NATS counts what was released like what is in flight, and gives only the former.
        const most = num_pending + num_ack_pending;
        found.push(...(await take({ queue: place.queue, partition }, most)));
      }
    }
    return found;
  }

  async function giveBack({ place, message }: WaitingMessage): Promise<void> {
    await histories.write(place, message, await histories.read(place, message));
    handBack(connection, message, undefined);
  }

  async function finish({ place, message }: WaitingMessage): Promise<void> {
    await acknowledge(connection, message, options.answerWithinMs);
    await histories.forget(place, message);
  }

  return async (subscriptionId, { events, backlog }) => {
    const { isWanted, isOver } = await registry.change(({ list, layout }) => {
      const isTemporary = list.get(subscriptionId)?.temporary === true;
      // Nobody waits for a temporary one any more.
      const ends = isTemporary && !events && backlog === "discard";
      const wants = list.retire(subscriptionId, events);
      if (ends) layout.remove(subscriptionId);
      return { isWanted: wants, isOver: ends };
    });
    if (backlog === "keep" || isOver) return 0;
    const waiting = await backlogOf(subscriptionId);
    let room = Infinity;
    if (backlog === "dead-letter") {
      const { list, layout } = await registry.refresh();
      const dead = await deadLetters.counts();
      const places = layout.of(list.presentId(subscriptionId));
      const present = places.reduce((sum, { queue }) => sum + (dead.get(queue) ?? 0), 0);
      room = Math.max(0, context.deadLetters.maxPerSubscription - present);
    }
    let count = 0;
    const discarded = new Map<number, readonly string[]>();
    for (const it of waiting) {
      const envelope = decodeEnvelope(it.message.text);
      // What there is no room for goes on waiting: nothing is lost.
      if (isWanted(envelope.name) || count >= room) {
        await giveBack(it);
        continue;
      }
      if (backlog === "dead-letter") {
        await deadLetters.add(it.place, it.message, { envelope, reason: "retired", state: null });
      }
      await finish(it);
      count += 1;
      const { deduplicationId } = envelope;
      if (backlog === "discard" && deduplicationId !== undefined) {
        const ids = discarded.get(it.place.queue) ?? [];
        discarded.set(it.place.queue, [...ids, deduplicationId]);
      }
    }
    for (const [queue, ids] of discarded) {
      await rememberedIds.giveUp(queue, ids);
      const until = broker.now() + options.deduplicationWindowMs;
      await registry.change(({ layout }) => layout.giveUp(queue, until));
    }
    return count;
  };
}
