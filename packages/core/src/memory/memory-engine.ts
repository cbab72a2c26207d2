import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../contract/clock.ts";
import type {
  ConsumerHandle,
  ConsumeSpec,
  Deliver,
  Envelope,
  ProviderContext,
  ProviderReport,
  PublishOptions,
  PublishResult,
  RetiredBacklog,
  SubscriptionSpec,
} from "../contract/provider.ts";
import type { DeliveryChannel } from "./delivery-channel.ts";
import { HandOverTurn } from "./hand-over.ts";
import { MemoryConsumer } from "./memory-consumer.ts";
import { MemorySubscriptions } from "./memory-subscriptions.ts";
import type { QueueHost } from "./queue-host.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";
import { WaitingPublish } from "./waiting-publish.ts";
import { type PublishTarget, WaitingRoom } from "./waiting-room.ts";

/** What a provider that was started is made of. */
export class MemoryEngine implements QueueHost, PublishTarget {
  readonly clock: Clock;
  readonly deadLetters: ProviderContext["deadLetters"];
  readonly maxPending: number;
  readonly deduplicationWindowMs: number;
  readonly turn: HandOverTurn = new HandOverTurn();
  readonly subscriptions: MemorySubscriptions;
  readonly #context: ProviderContext;
  readonly #channel: DeliveryChannel;
  readonly #room: WaitingRoom;
  /** By the number of subscriptions: most results look alike. */
  readonly #accepted: PublishResult[] = [];
  lastSequence = 0;
  #stopping: Promise<void> | undefined;
  /** Looks whether there is anything left to stop for. */
  #checkDrained: (() => void) | undefined;
  /** Written here only. */
  isStopped = false;

  constructor(
    context: ProviderContext,
    channel: DeliveryChannel,
    limits: { readonly maxPending: number; readonly deduplicationWindowMs: number },
  ) {
    this.#context = context;
    this.#channel = channel;
    this.clock = context.clock;
    this.deadLetters = context.deadLetters;
    this.maxPending = limits.maxPending;
    this.deduplicationWindowMs = limits.deduplicationWindowMs;
    this.subscriptions = new MemorySubscriptions(this, channel);
    this.#room = new WaitingRoom(this);
  }

  publish(
    batch: readonly Envelope[],
    { deadline, inHandler }: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    // Who waits goes before who comes.
    if (this.#room.size > 0) this.#room.admit();
    const results: PublishResult[] = [];
    let publish: WaitingPublish | undefined;
    let isBehind = false;
    for (let index = 0; index < batch.length; index++) {
      const envelope = batch[index] as Envelope;
      const queues = this.subscriptions.queuesOf(envelope);
      isBehind ||= queues.some((queue) => queue.isBehind);
      if (inHandler || !this.#room.obstacle(queues)) {
        results[index] = this.place(envelope);
      } else if (this.clock.monotonic() >= deadline) {
        results[index] = this.#room.overloaded(envelope);
      } else {
        publish ??= this.#waitingPublish(results, deadline);
        this.#room.wait(publish, index, envelope);
      }
    }
    if (publish) return publish.promise;
    // Who emits in a loop would else keep the event loop from turning, and the queues filling up.
    return isBehind && !inHandler ? nextTurn(results) : Promise.resolve(results);
  }

  /** Puts all envelopes in all their queues, if there is room without a doubt. */
  tryPublish(batch: readonly Envelope[]): readonly PublishResult[] | undefined {
    if (this.isStopped || this.#room.size > 0) return undefined;
    let checked: readonly SubscriptionQueue[] | undefined;
    for (const envelope of batch) {
      // It may be refused.
      if (envelope.to) return undefined;
      const queues = this.subscriptions.queuesOf(envelope);
      // Many events of one name go to the same queues.
      if (queues === checked) continue;
      for (const queue of queues) if (!queue.takesAtOnce(batch.length)) return undefined;
      checked = queues;
    }
    return batch.map((envelope) => this.place(envelope));
  }

  queuesOf(envelope: Envelope): readonly SubscriptionQueue[] {
    return this.subscriptions.queuesOf(envelope);
  }

  /** All of its queues, or none. */
  place(envelope: Envelope): PublishResult {
    const unknown = this.subscriptions.unknownTarget(envelope);
    if (unknown) return unknown;
    let queues = this.subscriptions.queuesOf(envelope);
    const { deduplicationId } = envelope;
    if (deduplicationId !== undefined) {
      const now = this.clock.monotonic();
      const wanting = queues.filter((queue) => !queue.recentIds.has(deduplicationId, now));
      if (wanting.length === 0 && queues.length > 0) {
        return { status: "duplicate", subscriptions: queues.length };
      }
      for (const queue of wanting) queue.recentIds.add(deduplicationId, now);
      queues = wanting;
    }
    for (const queue of queues) this.#channel.emit(queue.subscriptionId, envelope);
    this.#accepted[queues.length] ??= { status: "accepted", subscriptions: queues.length };
    return this.#accepted[queues.length] as PublishResult;
  }

  /** Puts all envelopes in all their queues now, or none of them in any. */
  placeAll(batch: readonly Envelope[]): readonly PublishResult[] {
    const counts = new Map<SubscriptionQueue, number>();
    // An empty queue takes a batch that is larger than it: otherwise the batch would wait for ever.
    const isTooMuch = (queue: SubscriptionQueue): boolean =>
      queue.pending > 0 && queue.pending + (counts.get(queue) ?? 0) > this.maxPending;
    for (const envelope of batch) {
      const queues = this.subscriptions.queuesOf(envelope);
      for (const queue of queues) counts.set(queue, (counts.get(queue) ?? 0) + 1);
      const hasRoom = !this.#room.obstacle(queues) && !queues.some(isTooMuch);
      const refusal =
        this.subscriptions.unknownTarget(envelope) ??
        (hasRoom ? undefined : this.#room.overloaded(envelope));
      if (refusal) return batch.map(() => refusal);
    }
    return batch.map((envelope) => this.place(envelope));
  }

  declare(specs: readonly SubscriptionSpec[]): void {
    this.subscriptions.declare(specs);
    this.#room.regroup();
  }

  retire(id: string, events: readonly string[] | undefined, backlog: RetiredBacklog): number {
    const count = this.subscriptions.retire(id, events, backlog);
    this.#room.regroup();
    return count;
  }

  drain(id: string, backlog: Exclude<RetiredBacklog, "keep">): number {
    return this.subscriptions.queue(id)?.removeUnwanted(() => false, backlog, "drained") ?? 0;
  }

  cancel(eventId: string, id: string | undefined): number {
    const queues = id === undefined ? this.subscriptions.queues() : [this.subscriptions.queue(id)];
    let count = 0;
    for (const queue of queues) count += queue?.cancel(eventId) ?? 0;
    return count;
  }

  consume(spec: ConsumeSpec, deliver: Deliver): ConsumerHandle {
    this.declare([spec]);
    const queue = this.subscriptions.queue(spec.subscriptionId) as SubscriptionQueue;
    const consumer = new MemoryConsumer(queue, this, deliver, spec.concurrency);
    queue.attach(consumer);
    return consumer;
  }

  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#drain(graceMs);
    return this.#stopping;
  }

  report(report: ProviderReport): void {
    try {
      this.#context.report(report);
    } catch (error) {
      this.#context.logger.error({ err: error }, "A report to the bus failed");
    }
  }

  progressed(): void {
    if (this.#room.size > 0) this.#room.admit();
    this.#checkDrained?.();
  }

  consumerEnded(queue: SubscriptionQueue): void {
    this.subscriptions.removeIfUnused(queue);
  }

  #waitingPublish(results: PublishResult[], deadline: number): WaitingPublish {
    const publish: WaitingPublish = new WaitingPublish(results, this.clock, deadline, () => {
      this.#room.expire(publish);
    });
    return publish;
  }

  #drain(graceMs: number): Promise<void> {
    const deadline = this.clock.monotonic() + graceMs;
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const finish = (): void => {
        this.#checkDrained = undefined;
        timer?.cancel();
        this.#finish();
        resolve();
      };
      if (graceMs <= 0) {
        finish();
        return;
      }
      timer = this.clock.setTimeout(finish, graceMs, { keepAlive: true });
      this.#checkDrained = () => {
        for (const queue of this.subscriptions.queues()) {
          if (queue.canProgressBefore(deadline)) return;
        }
        finish();
      };
      this.#checkDrained();
    });
  }

  #finish(): void {
    this.isStopped = true;
    this.#room.close("The provider has stopped");
    for (const [subscriptionId, count] of this.subscriptions.stop()) {
      if (count > 0) this.report({ type: "discarded", subscriptionId, count });
    }
  }
}

function nextTurn<T>(value: T): Promise<T> {
  return new Promise((resolve) => {
    setImmediate(resolve, value);
  });
}
