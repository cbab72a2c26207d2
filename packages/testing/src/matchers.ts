import type { Event } from "@busbar/core";
import type { DeliveryOutcome, RecordedDelivery } from "./recorder.ts";

/** What the matchers look into: a `testingProvider()`. */
export interface RecordedProvider {
  emitted(event?: string): readonly Event[];
  deliveries(subscriberId?: string): readonly RecordedDelivery[];
}

/** What a delivery must be like. What is absent may be anything. */
export interface ExpectedDelivery {
  /** @default "acknowledged" */
  readonly outcome?: DeliveryOutcome | undefined;
  /** The event's name. */
  readonly event?: string | undefined;
  /** The event's data, compared as with `toEqual`; asymmetric matchers are fine. */
  readonly data?: unknown;
  /** Which attempt, from 1. */
  readonly attempt?: number | undefined;
  /** How many such deliveries there must be. At least one by default. */
  readonly times?: number | undefined;
}

/** What a delivery that has ended dead must be like. What is absent may be anything. */
export interface ExpectedDeadLetter {
  /** The event's name. */
  readonly event?: string | undefined;
  /** The event's data, compared as with `toEqual`; asymmetric matchers are fine. */
  readonly data?: unknown;
  /** `failed`, `permanent`, `crashed` or `invalid`. */
  readonly reason?: string | undefined;
  /** The message of the last error: a part of it, or a pattern. */
  readonly error?: string | RegExp | undefined;
}

/** The matchers, as `expect(provider)` has them. */
export interface BusbarMatchers<Returned = void> {
  /** Passes when an event of this name or pattern was emitted, with this data if it is given. */
  toHaveEmitted(event: string, data?: unknown): Returned;
  /** Passes when exactly so many events of this name or pattern were emitted. */
  toHaveEmittedTimes(event: string, times: number): Returned;
  /** Passes when a delivery to this subscription was acknowledged, or ended as `expected` says. */
  toHaveDelivered(subscriberId: string, expected?: ExpectedDelivery): Returned;
  /** Passes when a delivery to this subscription has ended dead, whether replayed since or not. */
  toHaveDeadLetter(subscriberId: string, expected?: ExpectedDeadLetter): Returned;
}

/** What a matcher is called on: the part that `expect` of vitest and of jest have in common. */
export interface MatcherContext {
  /** Whether the matcher is called by way of `not`. */
  readonly isNot?: boolean | undefined;
  /** Compares as `toEqual` does. */
  equals(a: unknown, b: unknown): boolean;
  /** Formats values for messages. */
  readonly utils: {
    matcherHint(name: string, received?: string, expected?: string, options?: object): string;
    printExpected(value: unknown): string;
    printReceived(value: unknown): string;
    diff(expected: unknown, received: unknown): string | null | undefined;
  };
}

/** What a matcher answers. */
export interface MatcherResult {
  /** Whether the matcher holds. */
  readonly pass: boolean;
  /** Makes the message of a failure. */
  message(): string;
}

/** The matchers, as `expect.extend` takes them. */
// `expect.extend` takes records, and an interface is none.
export type MatcherFunctions = {
  toHaveEmitted(
    this: MatcherContext,
    received: unknown,
    event: string,
    data?: unknown,
  ): MatcherResult;
  toHaveEmittedTimes(
    this: MatcherContext,
    received: unknown,
    event: string,
    times: number,
  ): MatcherResult;
  toHaveDelivered(
    this: MatcherContext,
    received: unknown,
    subscriberId: string,
    expected?: ExpectedDelivery,
  ): MatcherResult;
  toHaveDeadLetter(
    this: MatcherContext,
    received: unknown,
    subscriberId: string,
    expected?: ExpectedDeadLetter,
  ): MatcherResult;
};

/** Matchers for `expect.extend`, of vitest and of jest. */
export const matchers: MatcherFunctions = {
  toHaveEmitted(received, event, ...rest) {
    const provider = recordedProvider(received, "toHaveEmitted");
    const candidates = provider.emitted(event);
    const hasData = rest.length > 0 && rest[0] !== undefined;
    const [data] = rest;
    const found = hasData
      ? candidates.filter((candidate) => this.equals(candidate.data, data))
      : candidates;
    return result(this, "toHaveEmitted", found.length > 0, {
      arguments: "event, data",
      expected: hasData ? [event, data] : [event],
      explain: () =>
        candidates.length > 0
          ? comparison(this, data, candidates)
          : `Emitted: ${list(provider.emitted().map(({ name }) => name))}`,
      found: () => found.map(describeEvent),
    });
  },

  toHaveEmittedTimes(received, event, times) {
    const provider = recordedProvider(received, "toHaveEmittedTimes");
    const found = provider.emitted(event);
    return result(this, "toHaveEmittedTimes", found.length === times, {
      arguments: "event, times",
      expected: [event, times],
      explain: () =>
        `Emitted ${this.utils.printReceived(found.length)} times${lines(found.map(describeEvent))}`,
      found: () => found.map(describeEvent),
    });
  },

  toHaveDelivered(received, subscriberId, expected = {}) {
    const provider = recordedProvider(received, "toHaveDelivered");
    const { outcome = "acknowledged", times, data, ...exact } = expected;
    const candidates = provider.deliveries(subscriberId);
    const found = candidates.filter(
      (delivery) =>
        delivery.outcome === outcome && fits(this, delivery, exact.event, data, exact.attempt),
    );
    const pass = times === undefined ? found.length > 0 : found.length === times;
    return result(this, "toHaveDelivered", pass, {
      arguments: "subscriberId, delivery",
      expected: [subscriberId, { outcome, ...expected }],
      explain: () => deliveriesOf(provider, subscriberId),
      found: () => found.map(describeDelivery),
    });
  },

  toHaveDeadLetter(received, subscriberId, expected = {}) {
    const provider = recordedProvider(received, "toHaveDeadLetter");
    const { event, data, reason, error } = expected;
    const found = provider
      .deliveries(subscriberId)
      .filter(
        (delivery) =>
          delivery.outcome === "dead" &&
          fits(this, delivery, event, data, undefined) &&
          (reason === undefined || delivery.reason === reason) &&
          (error === undefined || includes(delivery.error?.message ?? "", error)),
      );
    return result(this, "toHaveDeadLetter", found.length > 0, {
      arguments: "subscriberId, deadLetter",
      expected: Object.keys(expected).length > 0 ? [subscriberId, expected] : [subscriberId],
      explain: () => deliveriesOf(provider, subscriberId),
      found: () => found.map(describeDelivery),
    });
  },
};

interface Explanation {
  readonly arguments: string;
  readonly expected: readonly unknown[];
  /** What there is instead. */
  explain(): string;
  /** What there is and should not be. */
  found(): readonly string[];
}

function result(
  context: MatcherContext,
  name: string,
  pass: boolean,
  explanation: Explanation,
): MatcherResult {
  const { utils, isNot = false } = context;
  return {
    pass,
    message: () => {
      const hint = utils.matcherHint(name, "provider", explanation.arguments, { isNot });
      const expected = explanation.expected.map((value) => utils.printExpected(value)).join(", ");
      return [
        hint,
        "",
        `Expected: ${isNot ? "not " : ""}${expected}`,
        pass ? `Found:${lines(explanation.found())}` : explanation.explain(),
      ].join("\n");
    },
  };
}

function recordedProvider(received: unknown, matcher: string): RecordedProvider {
  const provider = received as Partial<RecordedProvider> | null | undefined;
  if (typeof provider?.emitted === "function" && typeof provider.deliveries === "function") {
    return provider as RecordedProvider;
  }
  throw new TypeError(`${matcher} takes a testingProvider: expect(provider).${matcher}(…)`);
}

function fits(
  context: MatcherContext,
  { event, attempt }: RecordedDelivery,
  name: string | undefined,
  data: unknown,
  wanted: number | undefined,
): boolean {
  return (
    (name === undefined || event.name === name) &&
    (data === undefined || context.equals(event.data, data)) &&
    (wanted === undefined || attempt === wanted)
  );
}

function includes(message: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? message.includes(wanted) : wanted.test(message);
}

/** A diff with the only candidate, or a list of all. */
function comparison(
  { utils }: MatcherContext,
  data: unknown,
  candidates: readonly Event[],
): string {
  const [only, ...others] = candidates;
  const diff = others.length === 0 ? utils.diff(data, only?.data) : undefined;
  if (diff) return `Emitted with other data:\n\n${diff}`;
  return `Emitted with other data:${lines(candidates.map(describeEvent))}`;
}

function deliveriesOf(provider: RecordedProvider, subscriberId: string): string {
  const deliveries = provider.deliveries(subscriberId);
  if (deliveries.length > 0) return `Deliveries:${lines(deliveries.map(describeDelivery))}`;
  const others = provider.deliveries().map((delivery) => delivery.subscriberId);
  return `It had no deliveries. Deliveries went to: ${list(others)}`;
}

function describeEvent({ name, data }: Event): string {
  return `${name} ${JSON.stringify(data)}`;
}

function describeDelivery(delivery: RecordedDelivery): string {
  const { event, attempt, outcome, reason, error } = delivery;
  const why = reason === undefined ? "" : ` (${reason})`;
  const message = error ? `: ${error.message}` : "";
  return `attempt ${attempt} ${outcome}${why} ${describeEvent(event)}${message}`;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `\n  ${text}`).join("");
}

function list(names: readonly string[]): string {
  return names.length > 0 ? [...new Set(names)].join(", ") : "nothing";
}
