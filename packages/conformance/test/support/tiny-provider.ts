import { AsyncResource } from "node:async_hooks";
import {
  type ConsumeSpec,
  type Delivery,
  type Envelope,
  type EventProvider,
  matchesPattern,
  type PublishResult,
  type Settlement,
} from "@busbar/core/provider";

interface Queue {
  readonly events: Set<string>;
  readonly waiting: Delivery[];
  readonly consumers: Set<{ take(): void; inHand: number }>;
  running: number;
}

/** A provider that declines all that can be declined, and has no optional part. */
export function tinyProvider(): EventProvider {
  const queues = new Map<string, Queue>();
  let state: "new" | "running" | "stopped" = "new";

  function queueOf({ subscriptionId, events }: ConsumeSpec): Queue {
    let queue = queues.get(subscriptionId);
    if (!queue) {
      queue = { events: new Set(), waiting: [], consumers: new Set(), running: 0 };
      queues.set(subscriptionId, queue);
    }
    for (const event of events) queue.events.add(event);
    return queue;
  }

  function wake(queue: Queue): void {
    for (const consumer of queue.consumers) consumer.take();
  }

  function place(envelope: Envelope): PublishResult {
    const wanting = [...queues.values()].filter(({ events }) =>
      [...events].some((event) => matchesPattern(event, envelope.name)),
    );
    for (const queue of wanting) {
      queue.waiting.push({ envelope, crashes: 0 });
      queueMicrotask(() => wake(queue));
    }
    return { status: "accepted", subscriptions: wanting.length };
  }

  function again(delivery: Delivery, settlement: Settlement | undefined): Delivery | undefined {
    switch (settlement?.type) {
      case "retry":
        return { ...delivery, state: settlement.state, crashes: 0 };
      case "release":
        return delivery;
      case undefined:
        return { ...delivery, crashes: delivery.crashes + 1 };
      default:
        return undefined;
    }
  }

  async function until(condition: () => boolean, graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs;
    while (!condition() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  return {
    name: "tiny",
    capabilities: {
      durable: false,
      payload: "shared",
      delay: false,
      retryDelay: false,
      priority: false,
      deduplication: false,
      ordering: false,
      redeliverAfterMs: 0,
    },
    async start() {
      if (state !== "new") throw new TypeError("Started before");
      state = "running";
    },
    publish: async (batch) => batch.map(place),
    async consume(spec, deliver) {
      const queue = queueOf(spec);
      // What runs in here finds the context of no emit.
      const scope = new AsyncResource("TinyConsumer");
      const inHand = new Set<Delivery>();
      const run = async (delivery: Delivery): Promise<void> => {
        const settlement = await deliver(delivery).catch(() => undefined);
        if (!inHand.delete(delivery)) return;
        queue.running--;
        const next = again(delivery, settlement);
        if (next) queue.waiting.push(next);
        wake(queue);
      };
      const consumer = {
        inHand: 0,
        take() {
          while (
            inHand.size < spec.concurrency &&
            state === "running" &&
            queue.consumers.has(consumer)
          ) {
            const delivery = queue.waiting.shift();
            if (!delivery) return;
            inHand.add(delivery);
            queue.running++;
            void scope.runInAsyncScope(run, undefined, delivery);
            // One each, so that consumers share.
            if (queue.consumers.size > 1) {
              queueMicrotask(() => wake(queue));
              return;
            }
          }
        },
      };
      queue.consumers.add(consumer);
      wake(queue);
      return {
        async close({ graceMs }) {
          queue.consumers.delete(consumer);
          await until(() => inHand.size === 0, graceMs);
          for (const delivery of inHand) queue.waiting.push(delivery);
          queue.running -= inHand.size;
          inHand.clear();
          wake(queue);
        },
      };
    },
    async stop({ graceMs }) {
      const all = [...queues.values()];
      await until(() => all.every((it) => it.waiting.length + it.running === 0), graceMs);
      state = "stopped";
    },
  };
}
