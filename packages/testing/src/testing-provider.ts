import type { Event, EventCatalogue, EventPattern, SelectedEvent, TypedEvent } from "@busbar/core";
import type { Clock, EventProvider } from "@busbar/core/provider";
import type { MemoryProvider } from "@busbar/core/memory";
import type {
  CrashOptions,
  FailOptions,
  FaultOptions,
  RejectPublishOptions,
  ReorderOptions,
  TimeOutPublishOptions,
} from "./injected-faults.ts";
import { InstrumentedProvider } from "./instrumented-provider.ts";
import type { RecordedDelivery } from "./recorder.ts";

/** Options of {@link testingProvider}. */
export interface TestingProviderOptions {
  /**
   * `virtual`: time stands still until the test moves it, by `advance`, `advanceToNext` or `drain`.
   * `system`: time passes by itself, for handlers that wait for something real, and a bus may have a
   * clock of its own.
   *
   * @default "virtual"
   */
  readonly time?: "virtual" | "system" | undefined;
  /**
   * Where virtual time starts: milliseconds since the Unix epoch.
   *
   * @default Date.UTC(2026, 0, 1), which is 2026-01-01T00:00:00.000Z
   */
  readonly startAt?: number | undefined;
  /**
   * Real milliseconds after which `next`, `advance`, `drain` and `stop` reject instead of hanging.
   *
   * @default 2_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Real milliseconds that time stands still for handlers which are in flight and do nothing that can
   * be seen, because they wait for input and output of their own.
   *
   * @default 0
   */
  readonly ioWaitMs?: number | undefined;
  /**
   * Deliveries that may wait in one subscription.
   *
   * @default 100_000
   */
  readonly maxPending?: number | undefined;
  /**
   * Milliseconds for which a subscription remembers a `deduplicationId`.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
  /**
   * Where the jitter of backoff comes from: numbers from 0 to below 1. By default jitter takes nothing
   * off, so that every wait has its full length.
   *
   * @default () => 0
   */
  readonly random?: (() => number) | undefined;
}

/** Options of `next`. */
export interface NextOptions {
  /**
   * Real milliseconds after which it rejects.
   *
   * @default `timeoutMs` of the provider, 2_000
   */
  readonly timeoutMs?: number | undefined;
}

/**
 * An in-memory provider that a test can steer and look into. Made by {@link testingProvider}. One
 * provider is for one bus and one start.
 *
 * It is an event module too, so that it can stand in a configuration:
 * `modules: [{ resolve: provider }]`.
 */
export interface TestingProvider extends MemoryProvider {
  /** The time of the provider, which a bus on it takes over by itself. */
  readonly clock: Clock;
  /** The random numbers of the bus, from the `seed` of the provider. */
  readonly random: () => number;
  /** Gives the provider itself to an application that is configured with it. */
  provider(): EventProvider;

  /**
   * Moves time on by so many milliseconds, and lets everything that falls due happen in order, each at
   * its own time. Resolves when it is quiet: nothing more happens without time moving on.
   *
   * @throws TypeError when the time is the system's.
   */
  advance(ms: number): Promise<void>;
  /**
   * Moves time to the next thing that was promised: a retry, a delayed event, a time limit. Resolves
   * with the milliseconds that passed, when it is quiet; undefined when nothing was promised.
   */
  advanceToNext(): Promise<number | undefined>;
  /**
   * Moves time on until everything is acknowledged or dead, whatever that takes.
   *
   * @throws Error when after `timeoutMs` of real time something is left, with what it is.
   */
  drain(): Promise<void>;

  /**
   * Sets the wall clock alone, by so many milliseconds: forward, or back if the number is negative, as a
   * machine's time service does. `clock.now()` jumps, and no delay, retry or time limit moves.
   *
   * @throws TypeError when the time is the system's.
   */
  stepWallClock(ms: number): void;

  /** Accepted events, in the order in which they were published: all, or those of a name or pattern. */
  emitted<T = unknown>(event?: string): readonly Event<T>[];
  /**
   * Resolves with the next event of a name or pattern. Each event is taken once: one that was emitted
   * and that no `next` has taken yet comes first, the oldest before the others. Does not move time.
   *
   * @throws Error when none comes within `timeoutMs` of real time, with what happened instead.
   */
  next<T = unknown>(event: string, options?: NextOptions): Promise<Event<T>>;
  /** Every delivery, in order, with its outcome: all, or those of one subscription. */
  deliveries(subscriberId?: string): readonly RecordedDelivery[];
  /** What happened, a line each, for people. */
  trace(): readonly string[];
  /** Forgets what was recorded. Faults, time and pending deliveries stay. */
  clear(): void;

  /** Makes runs of a subscription fail as if its handler had thrown. Its retries go on as its policy says. */
  failNext(subscriberId: string, options?: FailOptions): void;
  /**
   * Ends deliveries of a subscription unsettled, as if the process had died: they come again. The bus
   * itself has seen the run end and knows of no crash, so wait by `drain` and not by `bus.settled`.
   */
  crashNext(subscriberId: string, options?: CrashOptions): void;
  /** Lets what is emitted next reach a subscription late. Order that it asks for is kept. */
  delayNext(subscriberId: string, delayMs: number, options?: FaultOptions): void;
  /** Lets what is emitted next reach a subscription twice, the second time `delayMs` later. */
  duplicateNext(
    subscriberId: string,
    options?: FaultOptions & {
      /** Milliseconds. @default 0 */
      readonly delayMs?: number | undefined;
    },
  ): void;
  /** From now on, mixes up what is emitted: it arrives late by chance. Order that is asked for is kept. */
  reorder(options?: ReorderOptions): void;
  /** Rejects publishes: the emit rejects with `BUSBAR_UNAVAILABLE`, and nothing is delivered. */
  rejectPublish(options?: RejectPublishOptions): void;
  /** Leaves publishes without an answer: the emit rejects with `BUSBAR_EMIT_TIMEOUT` when its time is up. */
  timeOutPublish(options?: TimeOutPublishOptions): void;
  /** Ends all faults, those that wait for their turn too. */
  clearFaults(): void;
}

/** A {@link TestingProvider} that knows its events, as it is made with a catalogue. */
export interface TypedTestingProvider<Events extends object> extends Omit<
  TestingProvider,
  "emitted" | "next"
> {
  /** As {@link TestingProvider.emitted}, where the type of the data follows the name. */
  emitted(): readonly TypedEvent<Events>[];
  emitted<const Pattern extends EventPattern<Events>>(
    event: Pattern,
  ): readonly SelectedEvent<Events, Pattern>[];
  /** As {@link TestingProvider.next}, where the type of the data follows the name. */
  next<const Pattern extends EventPattern<Events>>(
    event: Pattern,
    options?: NextOptions,
  ): Promise<SelectedEvent<Events, Pattern>>;
}

/** Options of a {@link testingProvider} that knows its events. */
export interface TypedTestingProviderOptions<Events extends object> extends TestingProviderOptions {
  /** Types `emitted` and `next`. The bus validates by the catalogue that it is given itself. */
  readonly events: EventCatalogue<Events, object>;
}

/**
 * Makes a provider for tests: in memory, on virtual time, recording everything, failing on demand.
 *
 * @example
 * ```ts
 * const provider = testingProvider();
 * const bus = createEventBus({ provider });
 * ```
 */
export function testingProvider<Events extends object>(
  options: TypedTestingProviderOptions<Events>,
): TypedTestingProvider<Events>;
export function testingProvider(options?: TestingProviderOptions): TestingProvider;
export function testingProvider(options: TestingProviderOptions = {}): TestingProvider {
  return new InstrumentedProvider(options, []);
}
