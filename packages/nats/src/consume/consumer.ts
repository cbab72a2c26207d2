import {
  type ConsumeSpec,
  createPushConsumer,
  decodeEnvelope,
  type Envelope,
  type Deliver,
  type Delivery,
  type OpenConsumer,
  type PolledDelivery,
  type PushChannel,
  type PushLink,
  type Settlement,
  stateOfCorrupt,
} from "@busbar/core/provider";
import type { Session } from "../session.ts";
import { createHistories, type MessagePlace } from "./history.ts";
import { acknowledge, extendLease, handBack, type QueueMessage } from "./message.ts";
import { createSource, type Source, waitMsOf } from "./source.ts";

/** Proof that this process has a delivery. */
interface Token {
  readonly place: MessagePlace;
  readonly message: QueueMessage;
  readonly delivery: Delivery;
}

/** A consumer of NATS: a queue of the subscription in one partition. */
interface PlacedSource {
  readonly place: MessagePlace;
  readonly source: Source;
}

/** Begins to deliver what a subscription has in its queues. */
export async function consume(
  session: Session,
  spec: ConsumeSpec,
  deliver: Deliver,
): Promise<OpenConsumer> {
  const { broker, connection: link, context, deadLetters, options, registry } = session;
  const { connection, names } = broker;
  const { clock, logger } = context;
  const { subscriptionId, concurrency } = spec;
  const { answerWithinMs, leaseMs } = options;
  const histories = createHistories(broker);
  await registry.queuesOf(subscriptionId);

  async function settle(token: Token, settlement: Settlement): Promise<void> {
    const { place, message, delivery } = token;
    switch (settlement.type) {
      case "dead":
        await deadLetters.add(place, message, { ...delivery, ...settlement });
        await acknowledge(connection, message, answerWithinMs);
        await histories.forget(place, message);
        return deadLetters.trim(place.queue, subscriptionId);
      case "ack":
        await acknowledge(connection, message, answerWithinMs);
        return histories.forget(place, message);
      case "retry":
        await histories.write(place, message, { state: settlement.state, crashes: 0 });
        return handBack(connection, message, settlement.delayMs);
      case "release":
        await histories.write(place, message, delivery);
        return handBack(connection, message, settlement.delayMs);
    }
  }

  /** Resolves with undefined if the message cannot be read: it is a dead letter then. */
  async function read(
    place: MessagePlace,
    message: QueueMessage,
  ): Promise<PolledDelivery<Token> | undefined> {
    const envelope = readEnvelope(message.text);
    if (!envelope) {
      await buryUnreadable(place, message);
      return undefined;
    }
    const history = await histories.read(place, message);
    const delivery = { envelope, ...history };
    return { token: { place, message, delivery }, delivery };
  }

  async function buryUnreadable(place: MessagePlace, message: QueueMessage): Promise<void> {
    const now = broker.now();
    const id = String(message.sequence);
    const metadata = { created_at: now, published_at: now, correlationId: id };
    await deadLetters.add(place, message, {
      envelope: { id, name: "unreadable", data: message.text, metadata },
      reason: "corrupt",
      state: stateOfCorrupt("The stored event cannot be read", now),
    });
    await acknowledge(connection, message, answerWithinMs);
  }

  function createChannel(channel: PushLink<Token>): PushChannel<Token> {
    const { signal } = channel;
    /** Sources that have not answered in full. */
    const asked = new Map<PlacedSource, Promise<void>>();
    const sources = new Map<string, PlacedSource>();
    // No promise of the end takes part in the races below: each race would leave something in its memory.
    const forgetAll = (): void => sources.forEach(({ source }) => source.forget());
    const stopListening = link.onLost(forgetAll);
    signal.addEventListener("abort", forgetAll, { once: true });
    /** What is read before it is pushed. */
    const reading = new Set<Promise<void>>();

    /** Looks for queues that came by a rename, and for partitions that were added. */
    async function find(): Promise<readonly PlacedSource[]> {
      const { list, layout } = registry.cached() ?? (await registry.refresh());
      const places = layout
        .of(list.presentId(subscriptionId))
        .flatMap(({ queue }) =>
          Array.from({ length: layout.partitions }, (_, partition) => ({ queue, partition })),
        );
      return places.map((place) => {
        const key = `${place.queue} ${place.partition}`;
        let found = sources.get(key);
        if (!found) {
          const stream = names.stream(place.partition);
          const name = names.consumer(place.queue);
          const source = createSource(connection, clock, stream, name, waitMsOf(leaseMs));
          found = { place, source };
          sources.set(key, found);
        }
        return found;
      });
    }

    function receive(
      place: MessagePlace,
      message: QueueMessage,
      push: (polled: PolledDelivery<Token>) => void,
    ): void {
      const work = read(place, message)
        .then((polled) => polled && push(polled))
        .catch((err: unknown) => logger.warn({ err }, "A message of NATS could not be read"));
      reading.add(work);
      void work.finally(() => reading.delete(work));
    }

    async function pull(
      count: number,
      { push }: { readonly push: (polled: PolledDelivery<Token>) => void },
    ): Promise<void> {
      await link.connected();
      const found = await find();
      // Without a queue, there is one again when the subscription is declared again.
      if (signal.aborted || found.length === 0) return;
      const share = Math.ceil(count / found.length);
      let isOver = false;
      for (const placed of found) {
        // With several sources, one that has nothing is asked once. It must not hold up those that have something.
        if (found.length > 1 && asked.has(placed)) continue;
        const answered = placed.source.pull(share, (message) =>
          receive(placed.place, message, (polled) =>
            isOver ? channel.push(polled) : push(polled),
          ),
        );
        asked.set(placed, answered);
        const forget = (): void => void (asked.get(placed) === answered && asked.delete(placed));
        answered.then(forget, forget);
      }
      await Promise.race(found.flatMap((it) => asked.get(it) ?? []));
      await Promise.all(reading);
      isOver = true;
    }

    return {
      pull,
      async stop() {
        const all = [...sources.values()];
        await Promise.all(all.map(({ source }) => source.close()));
        await Promise.all(reading);
        // NATS looks then which requests are over: it gives none of them what is released.
        for (const { place } of all) await broker.lookAt(place);
      },
      async close() {
        stopListening();
        await Promise.all([...sources.values()].map(({ source }) => source.close()));
      },
    };
  }

  return createPushConsumer<Token>({
    clock,
    logger,
    concurrency,
    deliver,
    open: async (opened) => createChannel(opened),
    settle,
    crash: async ({ message }) => handBack(connection, message, undefined),
    extend: async (tokens) => {
      for (const { message } of tokens) extendLease(connection, message);
    },
    extendEveryMs: leaseMs / 3,
  });
}

function readEnvelope(text: string): Envelope | undefined {
  try {
    return decodeEnvelope(text);
  } catch {
    return undefined;
  }
}
