import { AsyncResource } from "node:async_hooks";
import { clearImmediate, setImmediate } from "node:timers";
import { detachedScope } from "../causality/causality.ts";
import type { Timer } from "../contract/clock.ts";
import type { Event } from "../contract/event.ts";
import type { BatchSubscriber } from "../contract/subscriber.ts";
import { ReleaseDelivery } from "../errors/errors.ts";
import { BatchCall, type BatchSurroundings, type Member } from "./batch-call.ts";
import type { DeliveryRun } from "./delivery-run.ts";
import type { RateGate } from "./rate-gate.ts";
import type { Subscription } from "./subscription.ts";

/** The events that wait for the next batch of one handler. */
interface Gathering {
  readonly handler: BatchSubscriber;
  /** The first of them came first. Never empty. */
  members: Member[];
  /** Whether the first has waited long enough. */
  isDue: boolean;
  timer: Timer | undefined;
  immediate: NodeJS.Immediate | undefined;
}

/**
 * Puts the events of one subscription in this process together. To the engine, each event is a run of its own, which
 * ends with what becomes of the event in its batch. So all that happens to deliveries happens to each event alone.
 */
export class BatchCollector {
  readonly #subscription: Subscription;
  readonly #surroundings: BatchSurroundings;
  readonly #scope = detachedScope();
  readonly #gatherings = new Map<BatchSubscriber, Gathering>();
  readonly #calls = new Set<BatchCall>();
  /** Calls whose slot is taken: one past its time limit has given its slot up. */
  #running = 0;
  /** Whether a batch waits for the rate to let it start. */
  #isHeld = false;
  /** The rates of the open consumers, the latest last. Undefined: the consumer has none. */
  readonly #open: (RateGate | undefined)[] = [];
  /** That of the latest of them, also when it is closed: its gate gives up what comes then. */
  #gate: RateGate | undefined;
  /** Whether the bus stops. */
  #isEnding = false;

  constructor(subscription: Subscription, surroundings: BatchSurroundings) {
    this.#subscription = subscription;
    this.#surroundings = surroundings;
  }

  /** A consumer has begun. Its batches wait for `gate`, if it is given. */
  open(gate: RateGate | undefined): void {
    this.#open.push(gate);
    this.#gate = gate;
  }

  /** A consumer ends, which was opened with `gate`: nothing waits for further events. */
  close(gate: RateGate | undefined): void {
    this.#open.splice(this.#open.indexOf(gate), 1);
    if (this.#open.length > 0) this.#gate = this.#open.at(-1);
    this.#hurry();
  }

  /** The bus stops: nothing waits for further events any more. */
  end(): void {
    this.#isEnding = true;
    this.#hurry();
  }

  /** Gives up the events that wait, and aborts the signals of calls. */
  cutShort(reason: unknown): void {
    this.#giveUp(reason);
    for (const call of this.#calls) call.cutShort(reason);
  }

  /** Adds an event to the next batch. Settles with what becomes of the event. */
  join(handler: BatchSubscriber, event: Event, run: DeliveryRun): Promise<void> {
    return new Promise((resolve, reject) => {
      // Of the first event: its batch runs in the context of its middleware, as a handler of one event does.
      const scope = new AsyncResource("BusbarBatch");
      const joinedAt = this.#surroundings.clock.monotonic();
      const member: Member = { event, run, joinedAt, scope, resolve, reject, isSettled: false };
      this.#scope.runInAsyncScope(() => this.#add(handler, member));
    });
  }

  #add(handler: BatchSubscriber, member: Member): void {
    const gathering = this.#gatherings.get(handler);
    if (gathering) gathering.members.push(member);
    else this.#gather(handler, [member], this.#maxWaitMs);
    this.#callAll();
  }

  /** Begins to wait for the events that follow the first. */
  #gather(handler: BatchSubscriber, members: Member[], waitMs: number): void {
    const gathering: Gathering = {
      handler,
      members,
      isDue: false,
      timer: undefined,
      immediate: undefined,
    };
    this.#gatherings.set(handler, gathering);
    const due = (): void => {
      gathering.isDue = true;
      this.#callAll();
    };
    const { clock } = this.#surroundings;
    // A provider that has several deliveries delivers them in one turn of the event loop.
    if (waitMs > 0) gathering.timer = clock.setTimeout(due, waitMs, { keepAlive: true });
    else gathering.immediate = setImmediate(due);
  }

  #hurry(): void {
    for (const gathering of this.#gatherings.values()) gathering.isDue = true;
    this.#scope.runInAsyncScope(() => this.#callAll());
  }

  get #maxWaitMs(): number {
    const isLast = this.#isEnding || this.#open.length === 0;
    return isLast ? 0 : (this.#subscription.batch?.maxWaitMs ?? 0);
  }

  get #maxEvents(): number {
    return this.#subscription.batch?.maxEvents ?? 1;
  }

  /** Calls handlers for as long as there is a free slot and a batch that is due. */
  #callAll(): void {
    while (this.#running < this.#subscription.concurrency && !this.#isHeld) {
      const next = this.#nextDue();
      if (!next) return;
      const gate = this.#gate;
      if (!gate) {
        this.#call(next);
        continue;
      }
      this.#isHeld = true;
      gate.hold({
        begin: () => {
          this.#isHeld = false;
          // By now it may have grown.
          const due = this.#nextDue();
          if (due) this.#call(due);
          this.#callAll();
        },
        release: (delayMs = 0) => {
          this.#isHeld = false;
          this.#giveUp(new ReleaseDelivery("The batch has not begun", { delayMs }));
        },
      });
    }
  }

  #nextDue(): Gathering | undefined {
    for (const gathering of this.#gatherings.values()) {
      const { isDue, members } = gathering;
      if (isDue || members.length >= this.#maxEvents || isSuspect(members[0])) return gathering;
    }
    return undefined;
  }

  #call(gathering: Gathering): void {
    const members = this.#take(gathering);
    this.#running += 1;
    const call = new BatchCall(gathering.handler, members, this.#subscription, this.#surroundings);
    this.#calls.add(call);
    const freeSlot = (): void => {
      this.#running -= 1;
      this.#scope.runInAsyncScope(() => this.#callAll());
    };
    call.run(freeSlot, () => this.#calls.delete(call));
  }

  /** Takes the next batch. The events that stay wait for what is left of their own time. */
  #take(gathering: Gathering): readonly Member[] {
    const { handler, members, timer, immediate } = gathering;
    timer?.cancel();
    clearImmediate(immediate);
    this.#gatherings.delete(handler);
    const taken: Member[] = [];
    const rest: Member[] = [];
    for (const member of members) {
      const isAlone = isSuspect(member) || isSuspect(taken[0]);
      const fits = isAlone ? taken.length === 0 : taken.length < this.#maxEvents;
      (fits ? taken : rest).push(member);
    }
    const [first] = rest;
    if (first) {
      const waitedMs = this.#surroundings.clock.monotonic() - first.joinedAt;
      this.#gather(handler, rest, this.#maxWaitMs - waitedMs);
    }
    return taken;
  }

  #giveUp(reason: unknown): void {
    for (const { handler, members, timer, immediate } of this.#gatherings.values()) {
      timer?.cancel();
      clearImmediate(immediate);
      this.#gatherings.delete(handler);
      for (const { reject } of members) reject(reason);
    }
  }
}

/** An event that was in flight when a process ended comes alone: if it is to blame, it ends no other's attempts. */
function isSuspect(member: Member | undefined): boolean {
  return member !== undefined && member.run.crashes > 0;
}
