import type { ScopingContainer, ServiceContainer } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import type { Envelope } from "../contract/provider.ts";
import type { DeliveryContext, Subscriber } from "../contract/subscriber.ts";
import type { CurrentRun } from "../causality/causality.ts";
import { quoted } from "../errors/quoted.ts";
import type { DeliveryState } from "./failures.ts";
import type { Subscription } from "./subscription.ts";

type Scope = ReturnType<NonNullable<ScopingContainer["createScope"]>>;

/** What all runs of one bus share. */
export interface RunSurroundings {
  /** Stands for the bus, so that an emit can tell whose handler it is in. */
  readonly bus: object;
  /** What handlers find in `context.logger`. */
  readonly handlerLogger: Logger;
  readonly services: ScopingContainer;
}

/** One run of one delivery: what its handlers see, and what the bus needs to end it. */
export class DeliveryRun implements DeliveryContext, CurrentRun {
  readonly bus: object;
  readonly envelope: Envelope;
  readonly subscription: Subscription;
  readonly subscriberId: string;
  /** What failed before it. */
  readonly before: DeliveryState;
  readonly attempt: number;
  /** Hand-overs of the delivery that ended in a crash. */
  readonly crashes: number;
  readonly logger: Logger;
  /** The functions to run. */
  readonly handlers: readonly Subscriber[];
  /** The event does not match its schema: no retry can mend that. */
  isInvalid = false;
  /** Set by middleware. */
  tx: unknown = undefined;
  readonly #services: ScopingContainer;
  /** On the scale of `clock.monotonic()`, if the bus has a listener. */
  startedAt: number | undefined = undefined;
  /** Its neighbours among those under way. */
  previous: DeliveryRun | undefined = undefined;
  next: DeliveryRun | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #abortReason: unknown = undefined;
  #scope: Scope | undefined = undefined;
  #isCutShort = false;

  constructor(
    { bus, handlerLogger, services }: RunSurroundings,
    envelope: Envelope,
    subscription: Subscription,
    before: DeliveryState,
    attempt: number,
    crashes: number,
  ) {
    this.bus = bus;
    this.envelope = envelope;
    this.subscription = subscription;
    this.subscriberId = subscription.id;
    this.before = before;
    this.attempt = attempt;
    this.crashes = crashes;
    this.logger = handlerLogger;
    this.handlers = subscription.handlersFor(envelope.name);
    this.#services = services;
  }

  get orderingKey(): string | undefined {
    return this.envelope.orderingKey;
  }

  /** Made when first read: most handlers never do, and an AbortController is not cheap. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Made when first read, too. */
  get container(): ServiceContainer {
    if (!this.#services.createScope) return this.#services;
    this.#scope ??= this.#services.createScope();
    return this.#scope;
  }

  /** Aborts the signal, also one that is read later. */
  abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Ends the run because the bus stops: what it throws from now on counts as nothing. */
  cutShort(reason: unknown): void {
    this.#isCutShort = true;
    this.abort(reason);
  }

  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** Disposes the services that were made for this run. */
  async dispose(): Promise<void> {
    await this.#scope?.dispose?.();
  }

  /** Whether {@link dispose} has anything to do. */
  get hasScope(): boolean {
    return this.#scope !== undefined;
  }
}

/** The container of a bus that was made without one. */
export const noServices: ScopingContainer = {
  resolve(name: string | symbol): never {
    throw new TypeError(
      `Cannot resolve ${quoted(String(name))}: the bus was made without a container; pass one to createEventBus, or use createApp`,
    );
  },
};
