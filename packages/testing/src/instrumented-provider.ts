import type { Event } from "@busbar/core";
import type {
  Clock,
  ConsumerHandle,
  ConsumeSpec,
  Delivery,
  Envelope,
  ProbeResult,
  ProviderAdmin,
  ProviderCapabilities,
  ProviderContext,
  PublishOptions,
  PublishResult,
  ScheduleStore,
  Settlement,
  SubscriptionRegistry,
  SubscriptionSpec,
} from "@busbar/core/provider";
import { createMemoryProvider, type MemoryProvider } from "@busbar/core/memory";
import { backlogLines } from "./backlog-lines.ts";
import { EventWaiters, withTrace } from "./event-waiters.ts";
import { FaultChannel } from "./fault-channel.ts";
import { type Faults, firstOf } from "./faults.ts";
import { FaultyDelivery } from "./faulty-delivery.ts";
import { InjectedFaults } from "./injected-faults.ts";
import { withPublishes, withSpecs, withTransit } from "./provider-parts.ts";
import { readOptions } from "./read-options.ts";
import { type RecordedDelivery, Recorder } from "./recorder.ts";
import { SystemTime } from "./system-time.ts";
import type { TestingProvider, TestingProviderOptions } from "./testing-provider.ts";
import { TimeDriver } from "./time-driver.ts";
import { formatTrace } from "./trace.ts";
import { VirtualClock } from "./virtual-clock.ts";

type Deliver = (delivery: Delivery) => Promise<Settlement>;

/** The provider in memory, with everything around it that a test needs. */
export class InstrumentedProvider implements TestingProvider {
  readonly name: string = "testing";
  readonly clock: Clock;
  readonly random: () => number;
  readonly capabilities: ProviderCapabilities;
  readonly subscriptions: SubscriptionRegistry;
  readonly admin: ProviderAdmin;
  readonly schedules: ScheduleStore;
  readonly recorder: Recorder;
  readonly #injected = new InjectedFaults();
  readonly #faults: Faults;
  readonly #waiters = new EventWaiters();
  readonly #channel: FaultChannel;
  readonly #inner: MemoryProvider;
  /** Absent on virtual time. */
  readonly #systemTime: SystemTime | undefined;
  /** Absent on the system's time. */
  readonly #driver: TimeDriver | undefined;
  readonly #timeoutMs: number;
  readonly #specs = new Map<string, SubscriptionSpec>();
  /** How many copies too many of an envelope are delivered. */
  readonly #extraCopies = new WeakMap<Envelope, number>();
  /** Until when emits wait for an answer that does not come. */
  readonly #unanswered: number[] = [];
  #running = 0;
  #started = false;

  /** @param seeded Faults next to those that a test asks for, which go first. */
  constructor(options: TestingProviderOptions, seeded: readonly Faults[]) {
    const read = readOptions(options);
    const { time, startAt, timeoutMs, ioWaitMs, random } = read;
    const virtual = time === "virtual" ? new VirtualClock(startAt) : undefined;
    this.#systemTime = virtual ? undefined : new SystemTime();
    this.clock = virtual ?? (this.#systemTime as SystemTime);
    this.random = random;
    this.#timeoutMs = timeoutMs;
    this.#faults = firstOf([this.#injected, ...seeded]);
    this.recorder = new Recorder(this.clock, (emission) => this.#waiters.offer(emission));
    this.#channel = new FaultChannel({
      faults: this.#faults,
      orderOf: (id) => this.#specs.get(id)?.ordering ?? "none",
      onRouted: (id, envelope, delaysMs) => this.#routed(id, envelope, delaysMs),
    });
    const { maxPending, deduplicationWindowMs } = read;
    this.#inner = createMemoryProvider({
      name: this.name,
      channel: this.#channel,
      maxPending,
      deduplicationWindowMs,
    });
    const { capabilities, subscriptions, admin, schedules } = this.#inner;
    this.capabilities = capabilities;
    this.subscriptions = withSpecs(subscriptions, this.#specs);
    this.admin = withTransit(admin, (id) => this.#channel.inTransit(id));
    this.schedules = withPublishes(schedules, (...args) => this.#publish(...args));
    if (!virtual) return;
    this.#driver = new TimeDriver({
      clock: virtual,
      changes: () => virtual.changes + this.recorder.trace.changes,
      running: () => this.#running,
      isBusy: async () => virtual.nextDue(true) !== undefined || (await this.#left()).length > 0,
      ioWaitMs,
    });
  }

  provider(): this {
    return this;
  }

  async start(context: ProviderContext): Promise<void> {
    if (this.#systemTime) {
      this.#systemTime.follow(context.clock);
    } else if (context.clock !== this.clock) {
      throw new TypeError("The bus has another clock than its testingProvider: give it none");
    }
    await this.#inner.start(context);
    this.#channel.start(this.clock);
    this.#started = true;
  }

  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]> {
    return this.#publish(batch, options, () => this.#inner.publish(batch, options));
  }

  async #publish<T extends readonly PublishResult[] | undefined>(
    batch: readonly Envelope[],
    options: PublishOptions,
    publish: () => Promise<T>,
  ): Promise<T | readonly PublishResult[]> {
    const { recorder } = this;
    const fault = this.#faults.publish(batch);
    if (fault?.type === "reject") {
      const { reason, retryable } = fault;
      for (const envelope of batch) recorder.trace.add("refused", envelope, reason);
      return batch.map(() => ({ status: "rejected", code: "refused", reason, retryable }));
    }
    if (fault?.type === "time-out" && !fault.accepted) {
      for (const envelope of batch) recorder.trace.add("not answered", envelope, "and lost");
      return this.#noAnswer(options);
    }
    for (const envelope of batch) recorder.publishing(envelope);
    const results = await publish();
    if (!results) return results;
    batch.forEach((envelope, index) => {
      if (results[index]?.status === "accepted") recorder.accepted(envelope);
    });
    if (!fault) return results.map((result, index) => this.#withCopies(batch[index], result));
    for (const envelope of batch) recorder.trace.add("not answered", envelope, "though accepted");
    return this.#noAnswer(options);
  }

  consume(spec: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle> {
    this.#specs.set(spec.subscriptionId, spec);
    return this.#inner.consume(spec, (delivery) => this.#deliver(spec, deliver, delivery));
  }

  stop(options: { readonly graceMs: number }): Promise<void> {
    this.#channel.flush();
    this.#waiters.close();
    const stopping = this.#inner.stop(options);
    return this.#driver?.during(stopping, this.#timeoutMs, "The stop") ?? stopping;
  }

  probe(): Promise<ProbeResult> {
    return this.#inner.probe();
  }

  async advance(ms: number): Promise<void> {
    if (!(Number.isFinite(ms) && ms >= 0)) {
      throw new TypeError(`advance() takes a number of milliseconds from 0, not ${ms}`);
    }
    await this.#explained(this.#virtual("advance").advance(ms, this.#timeoutMs));
  }

  async advanceToNext(): Promise<number | undefined> {
    return this.#explained(this.#virtual("advanceToNext").advanceToNext(this.#timeoutMs));
  }

  async drain(): Promise<void> {
    if (await this.#explained(this.#virtual("drain").drain(this.#timeoutMs))) return;
    const left = (await this.#left()).join("; ") || "a timer that keeps the process alive";
    const message = `Left after ${this.#timeoutMs} ms of real time (timeoutMs): ${left}`;
    throw new Error(withTrace(message, this.recorder));
  }

  /** Moves time on until a promise is settled. */
  during<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.#virtual("during").during(promise, this.#timeoutMs, what);
  }

  emitted<T>(event?: string): readonly Event<T>[] {
    return this.recorder.emissions(event).map((emission) => emission.event as Event<T>);
  }

  next<T>(
    event: string,
    { timeoutMs = this.#timeoutMs }: { readonly timeoutMs?: number | undefined } = {},
  ): Promise<Event<T>> {
    return this.#waiters.next(this.recorder, event, timeoutMs) as Promise<Event<T>>;
  }

  deliveries(subscriberId?: string): readonly RecordedDelivery[] {
    return this.recorder.deliveries(subscriberId);
  }

  trace(): readonly string[] {
    return formatTrace(this.recorder.trace.entries);
  }

  stepWallClock(ms: number): void {
    this.#virtual("stepWallClock").stepWall(ms);
  }

  clear(): void {
    this.recorder.clear();
  }

  failNext: TestingProvider["failNext"] = (id, options = {}) =>
    this.#injected.failNext(id, options);

  crashNext: TestingProvider["crashNext"] = (id, options = {}) =>
    this.#injected.crashNext(id, options);

  delayNext: TestingProvider["delayNext"] = (id, delayMs, options = {}) =>
    this.#injected.arriveNext(id, [delayMs], options);

  duplicateNext: TestingProvider["duplicateNext"] = (id, options = {}) =>
    this.#injected.arriveNext(id, [0, options.delayMs ?? 0], options);

  reorder: TestingProvider["reorder"] = (options = {}) => this.#injected.reorder(options);

  rejectPublish: TestingProvider["rejectPublish"] = (options = {}) =>
    this.#injected.rejectPublish(options);

  timeOutPublish: TestingProvider["timeOutPublish"] = (options = {}) =>
    this.#injected.timeOutPublish(options);

  clearFaults(): void {
    this.#injected.clear();
  }

  #virtual(method: string): TimeDriver {
    if (this.#driver) return this.#driver;
    throw new TypeError(`${method}() cannot move the system's time: use time: "virtual"`);
  }

  async #explained<T>(move: Promise<T>): Promise<T> {
    try {
      return await move;
    } catch (cause) {
      throw new Error(withTrace((cause as Error).message, this.recorder), { cause });
    }
  }

  #noAnswer({ deadline }: PublishOptions): Promise<never> {
    this.#unanswered.push(deadline);
    return new Promise(() => {});
  }

  /** An envelope is on its way to a subscription, so it has been accepted. */
  #routed(subscriptionId: string, envelope: Envelope, delaysMs: readonly number[]): void {
    const { recorder } = this;
    recorder.accepted(envelope);
    delaysMs.forEach((delayMs, copy) => {
      const what = copy > 0 ? "comes again" : "comes late";
      const late = delayMs > 0 ? `, ${delayMs} ms late` : "";
      if (copy > 0 || delayMs > 0) {
        recorder.trace.add(what, envelope, `to ${subscriptionId}${late}`);
      }
    });
    if (delaysMs.length === 1) return;
    const known = this.#extraCopies.get(envelope) ?? 0;
    this.#extraCopies.set(envelope, known + delaysMs.length - 1);
  }

  /** The bus counts deliveries, to know when an event is settled. */
  #withCopies(envelope: Envelope | undefined, result: PublishResult): PublishResult {
    const extra = envelope && this.#extraCopies.get(envelope);
    if (extra === undefined || result.status !== "accepted") return result;
    return { ...result, subscriptions: result.subscriptions + extra };
  }

  async #deliver(
    { subscriptionId }: ConsumeSpec,
    deliver: Deliver,
    delivery: Delivery,
  ): Promise<Settlement> {
    const { recorder } = this;
    const { envelope } = delivery;
    const fault = this.#faults.delivery(subscriptionId, delivery);
    const record = recorder.handedOver(subscriptionId, delivery);
    const faulty = new FaultyDelivery(this, delivery, fault);
    this.#running += 1;
    try {
      const settlement = await faulty.run(deliver);
      recorder.settled(record, envelope, settlement);
      return settlement;
    } catch (crash) {
      recorder.crashed(record, envelope, (crash as Error).message);
      throw crash;
    } finally {
      this.#running -= 1;
    }
  }

  /** What is neither acknowledged nor dead, a line each. */
  async #left(): Promise<readonly string[]> {
    const now = this.clock.monotonic();
    const emits = this.#unanswered.filter((deadline) => deadline > now).length;
    const unanswered = emits > 0 ? [`${emits} publishes without an answer`] : [];
    return this.#started ? [...unanswered, ...backlogLines(await this.admin.stats())] : [];
  }
}
