import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import type {
  ConsumerHandle,
  ConsumeSpec,
  Delivery,
  Envelope,
  EventProvider,
  PublishOptions,
  PublishResult,
  Settlement,
} from "@busbar/core/provider";

/** Options of {@link flakyProvider}. Each count is its own; a fault whose option is absent never comes. */
export interface FlakyProviderOptions {
  /** Rejects every n-th publish: nothing of it is stored, and the emit rejects. */
  readonly failEvery?: number | undefined;
  /**
   * Whether a refused publish says that it may be tried again, which the bus does every 50 ms.
   *
   * @default false
   */
  readonly retryable?: boolean | undefined;
  /** Stores every n-th publish and loses the answer: the emit rejects, and the events come. */
  readonly loseAnswerEvery?: number | undefined;
  /** Leaves every n-th publish without an answer, and stores nothing of it. */
  readonly hangEvery?: number | undefined;
  /** Publishes every n-th event twice, under its own id. */
  readonly duplicateEvery?: number | undefined;
  /** Loses the settlement of every n-th delivery, as a crash would: it comes again. */
  readonly crashEvery?: number | undefined;
}

/**
 * Wraps any provider so that it fails regularly. Everything else is the inner provider's, which
 * belongs to the bus as if it had been given itself.
 *
 * @example
 * ```ts
 * const provider = flakyProvider(redisProvider({ redisUrl }), { failEvery: 3, crashEvery: 5 });
 * ```
 */
export function flakyProvider(inner: EventProvider, options: FlakyProviderOptions): EventProvider {
  assertOptions("flakyProvider()", options, OPTIONS);
  return new FlakyProvider(inner, options);
}

const OPTIONS: Checks<FlakyProviderOptions> = {
  failEvery: checks.wholeFrom(1),
  retryable: checks.boolean,
  loseAnswerEvery: checks.wholeFrom(1),
  hangEvery: checks.wholeFrom(1),
  duplicateEvery: checks.wholeFrom(1),
  crashEvery: checks.wholeFrom(1),
};

class FlakyProvider implements EventProvider {
  readonly name: string;
  readonly capabilities: EventProvider["capabilities"];
  readonly subscriptions: EventProvider["subscriptions"];
  readonly admin: EventProvider["admin"];
  readonly groups: EventProvider["groups"];
  readonly schedules: EventProvider["schedules"];
  readonly rates: EventProvider["rates"];
  readonly clock: EventProvider["clock"];
  readonly random: EventProvider["random"];
  readonly probe?: NonNullable<EventProvider["probe"]>;
  readonly #inner: EventProvider;
  readonly #retryable: boolean;
  readonly #fails: () => boolean;
  readonly #losesAnswer: () => boolean;
  readonly #hangs: () => boolean;
  readonly #duplicates: () => boolean;
  readonly #crashes: () => boolean;

  constructor(inner: EventProvider, options: FlakyProviderOptions) {
    this.#inner = inner;
    this.name = inner.name;
    this.capabilities = inner.capabilities;
    this.subscriptions = inner.subscriptions;
    this.admin = inner.admin;
    this.groups = inner.groups;
    this.schedules = inner.schedules;
    this.rates = inner.rates;
    this.clock = inner.clock;
    this.random = inner.random;
    if (inner.probe) this.probe = inner.probe.bind(inner);
    this.#retryable = options.retryable ?? false;
    this.#fails = every(options.failEvery);
    this.#losesAnswer = every(options.loseAnswerEvery);
    this.#hangs = every(options.hangEvery);
    this.#duplicates = every(options.duplicateEvery);
    this.#crashes = every(options.crashEvery);
  }

  start(context: Parameters<EventProvider["start"]>[0]): Promise<void> {
    return this.#inner.start(context);
  }

  async publish(
    batch: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    if (this.#fails()) {
      const reason = "The provider is flaky";
      const retryable = this.#retryable;
      return batch.map(() => ({ status: "rejected", code: "refused", reason, retryable }));
    }
    if (this.#hangs()) return new Promise(() => {});
    const twice = batch.filter(() => this.#duplicates());
    const results = await this.#inner.publish(batch, options);
    const copies = twice.length > 0 ? await this.#inner.publish(twice, options) : [];
    if (this.#losesAnswer()) throw new Error("The answer of the provider was lost");
    return results.map((result, index) => {
      const copy = copies[twice.indexOf(batch[index] as Envelope)];
      return copy ? sum(result, copy) : result;
    });
  }

  consume(
    spec: ConsumeSpec,
    deliver: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<ConsumerHandle> {
    return this.#inner.consume(spec, async (delivery) => {
      const settlement = await deliver(delivery);
      if (this.#crashes()) throw new Error("The settlement was lost");
      return settlement;
    });
  }

  stop(options: { readonly graceMs: number }): Promise<void> {
    return this.#inner.stop(options);
  }
}

/** Both copies are delivered, and a test that counts deliveries must know. */
function sum(result: PublishResult, copy: PublishResult): PublishResult {
  if (result.status !== "accepted" || copy.status !== "accepted") return result;
  return { ...result, subscriptions: result.subscriptions + copy.subscriptions };
}

function every(n: number | undefined): () => boolean {
  if (n === undefined) return () => false;
  let count = 0;
  return () => ++count % n === 0;
}
