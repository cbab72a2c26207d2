import type { AsyncResource } from "node:async_hooks";
import type { Clock } from "../contract/clock.ts";
import type { ScopingContainer, ServiceContainer } from "../contract/container.ts";
import type { Event } from "../contract/event.ts";
import type { Logger } from "../contract/logger.ts";
import type { BatchContext, BatchSubscriber } from "../contract/subscriber.ts";
import type { DeliveryRun } from "./delivery-run.ts";
import type { Subscription } from "./subscription.ts";
import { withinTimeLimit } from "./time-limit.ts";

type Scope = ReturnType<NonNullable<ScopingContainer["createScope"]>>;

/** One event of a batch, and the run that waits for what becomes of it. */
export interface Member {
  readonly event: Event;
  readonly run: DeliveryRun;
  /** When it came, on the scale of `clock.monotonic()`. */
  readonly joinedAt: number;
  /** The async context that the handler of this event alone would have. */
  readonly scope: AsyncResource;
  readonly resolve: () => void;
  readonly reject: (thrown: unknown) => void;
  isSettled: boolean;
}

/** What all batches of one bus share. */
export interface BatchSurroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What handlers find in `context.logger`. */
  readonly handlerLogger: Logger;
  readonly services: ScopingContainer;
  /** Called when a handler has ended after its time limit, with the run of its first event. */
  readonly onLate: (run: DeliveryRun, tookMs: number) => void;
}

/** One call of a handler of batches: what the handler sees, and what becomes of each event. */
export class BatchCall implements BatchContext {
  readonly subscriberId: string;
  readonly logger: Logger;
  readonly #handler: BatchSubscriber;
  readonly #subscription: Subscription;
  readonly #surroundings: BatchSurroundings;
  readonly #members: readonly Member[];
  readonly #byEvent = new Map<Event, Member>();
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #scope: Scope | undefined;

  constructor(
    handler: BatchSubscriber,
    members: readonly Member[],
    subscription: Subscription,
    surroundings: BatchSurroundings,
  ) {
    this.#handler = handler;
    this.#members = members;
    this.#subscription = subscription;
    this.#surroundings = surroundings;
    this.subscriberId = subscription.id;
    this.logger = surroundings.handlerLogger;
    for (const member of members) {
      // Two deliveries may share their event where the bus isolates nothing.
      const event = this.#byEvent.has(member.event) ? { ...member.event } : member.event;
      this.#byEvent.set(event, member);
    }
  }

  // Functions of each call, so that a handler may take them out of the context.

  readonly attempt = (event: Event): number => this.#memberOf(event, "attempt").run.attempt;

  readonly ack = (event: Event): void => settle(this.#memberOf(event, "ack"), "resolve", undefined);

  readonly fail = (event: Event, error: unknown): void =>
    settle(this.#memberOf(event, "fail"), "reject", error);

  /** Made when first read. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Made when first read, and disposed after the call. */
  get container(): ServiceContainer {
    const { services } = this.#surroundings;
    if (!services.createScope) return services;
    this.#scope ??= services.createScope();
    return this.#scope;
  }

  /** Calls `freeSlot` when the call has ended or its time is over, and `onEnd` when it has ended. */
  run(freeSlot: () => void, onEnd: () => void): void {
    const work = this.#work();
    const ended = (): void => {
      onEnd();
      void this.#dispose();
    };
    work.then(ended, ended);
    void this.#inTime(work).then(
      () => {
        this.#settleRest("resolve", undefined);
        freeSlot();
      },
      (thrown: unknown) => {
        this.#settleRest("reject", thrown);
        freeSlot();
      },
    );
  }

  /** Aborts the signal because the bus stops. */
  cutShort(reason: unknown): void {
    // Emits of the handler belong to the run of the first event, which may have ended.
    this.#members[0]?.run.cutShort(reason);
    this.#abort(reason);
  }

  async #work(): Promise<void> {
    const [first] = this.#members;
    const now = this.#surroundings.clock.monotonic();
    // What is reported as the time of a run is not the time of waiting for others.
    for (const { run } of this.#members) if (run.startedAt !== undefined) run.startedAt = now;
    const events = [...this.#byEvent.keys()];
    // The first event is the cause of what the handler emits.
    await first?.scope.runInAsyncScope(this.#handler, undefined, events, this);
  }

  #inTime(work: Promise<void>): Promise<void> {
    const { timeoutMs, id: subscriberId } = this.#subscription;
    if (timeoutMs === undefined) return work;
    const { clock, onLate } = this.#surroundings;
    return withinTimeLimit(work, {
      clock,
      timeoutMs,
      subscriberId,
      onTimeout: (error) => {
        this.#abort(error);
        for (const { run, isSettled } of this.#members) if (!isSettled) run.abort(error);
      },
      onLate: (tookMs) => {
        const [first] = this.#members;
        if (first) onLate(first.run, tookMs);
      },
    });
  }

  #abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  #settleRest(way: "resolve" | "reject", thrown: unknown): void {
    for (const member of this.#members) settle(member, way, thrown);
  }

  async #dispose(): Promise<void> {
    try {
      await this.#scope?.dispose?.();
    } catch (err) {
      const { logger } = this.#surroundings;
      const { subscriberId } = this;
      logger.error({ err, subscriberId }, "The services of a batch could not be disposed");
    }
  }

  /** @throws TypeError when the event is not one of this batch. */
  #memberOf(event: Event, method: string): Member {
    const member = this.#byEvent.get(event);
    if (member) return member;
    throw new TypeError(
      `${method}() of subscriber "${this.subscriberId}" needs an event of the batch: the object that the handler was given`,
    );
  }
}

/** The first word on an event counts. */
function settle(member: Member, way: "resolve" | "reject", thrown: unknown): void {
  if (member.isSettled) return;
  member.isSettled = true;
  if (way === "resolve") member.resolve();
  else member.reject(thrown);
}
