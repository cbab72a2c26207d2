import {
  type Backoff,
  type DeliveryContext,
  type Event,
  type Logger,
  PermanentError,
  ReleaseDelivery,
} from "@busbar/core";
import { grownDelay, type JsonValue, systemClock } from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import type { Catalogue } from "../catalogue/catalogue.ts";
import type { ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import { carriedMetadata } from "./carried-metadata.ts";
import { matchEvent, type Routing, subscriptionsFor } from "./matching.ts";
import { Payload, PayloadError, type Payloads, type PayloadSource } from "./payloads.ts";
import { ResolveLog } from "./resolve-log.ts";
import { isAboutData, type RoutedEvent, RouteWriter } from "./route-writer.ts";
import { scopeOf } from "./scope.ts";
import { REVISION } from "./publisher.ts";
import { SNAPSHOT } from "./snapshots.ts";

/** Milliseconds before an event comes again that could not be written, and the longest such time. */
const AGAIN_AFTER_MS = 250;
const AGAIN_AFTER_AT_MOST_MS = 30_000;

/** How often the router tries to make a payload, and how long it waits between. */
export interface RoutePolicy {
  readonly attempts: number;
  readonly backoff: Exclude<Backoff, number>;
}

/** Options of {@link Router}. */
export interface RouterOptions {
  readonly store: SqlStore;
  readonly catalogue: Catalogue;
  readonly active: ActiveSubscriptions;
  readonly payloads: Payloads;
  readonly policy: RoutePolicy;
  readonly logger: Logger;
  readonly channel: string;
  readonly onWritten: () => void;
}

/**
 * Handles the declared events: finds the subscriptions that want an event, makes its payload, and writes a row for each
 * delivery. What it throws is for the bus's own retries and dead letters.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #writer: RouteWriter;
  readonly #log: ResolveLog;
  /** How often in a row the database could not be written to, and until when more of it counts as the same time. */
  #failures = 0;
  #sameUntil = Number.NEGATIVE_INFINITY;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#writer = new RouteWriter(options);
    this.#log = new ResolveLog(options.store);
  }

  /** Handles one event. Resolves once its deliveries are committed. */
  async route(event: Event, context: DeliveryContext): Promise<void> {
    await this.#readUpTo(event.metadata[REVISION]);
    const routing = this.#routingOf(event, context.orderingKey);
    if (routing.subscriptions.length === 0) return;
    const startedAt = performance.now();
    let routed: RoutedEvent | undefined;
    try {
      const matched = await matchEvent(routing, this.#options, context.signal);
      if (matched.isDropped) await this.#log.dropped(routing.source);
      ({ routed } = matched);
    } catch (error) {
      // The bus stops, and counts nothing that is thrown now.
      if (context.signal.aborted) throw error;
      await this.#failed(routing.source, error, context.attempt, performance.now() - startedAt);
    }
    if (routed && routed.deliveries.length > 0) await this.#write(routed);
  }

  /** Reads the changes of subscriptions that the publisher of an event knew of. */
  async #readUpTo(revision: unknown): Promise<void> {
    const { active } = this.#options;
    if (typeof revision !== "number" || active.hasRead(revision)) return;
    try {
      await active.refresh();
    } catch (error) {
      throw this.#released(error);
    }
  }

  #routingOf({ id, name, data, metadata }: Event, orderingKey: string | undefined): Routing {
    const scope = scopeOf(metadata["scope"]);
    const snapshot = metadata[SNAPSHOT];
    return {
      source: {
        id,
        name,
        scope,
        occurredAt: metadata.createdAt as Date,
        args: data as JsonValue,
      },
      orderingKey: orderingKey ?? null,
      metadata: carriedMetadata(metadata),
      snapshot: typeof snapshot === "string" ? new Payload(snapshot) : undefined,
      subscriptions: subscriptionsFor(this.#options.active, name, scope, data),
    };
  }

  /** Notes in the log that there is no payload, and fails the run: for good if no repetition can help. */
  async #failed(
    source: PayloadSource,
    error: unknown,
    attempt: number,
    durationMs: number,
  ): Promise<never> {
    if (!(error instanceof PayloadError)) throw this.#released(error);
    const { attempts, backoff } = this.#options.policy;
    const isLast = !error.retryable || attempt >= attempts;
    const { delay, maxDelay = Number.MAX_SAFE_INTEGER } = backoff;
    const nextInMs = isLast ? undefined : grownDelay(delay, 2, attempt - 1, maxDelay);
    try {
      await this.#log.failed(source, error, { attempt, durationMs, nextInMs });
    } catch (cause) {
      throw this.#released(cause);
    }
    throw error.retryable ? error : new PermanentError(error.message, { cause: error });
  }

  async #write(routed: RoutedEvent): Promise<void> {
    try {
      await this.#writer.write(routed);
      this.#failures = 0;
    } catch (error) {
      throw isAboutData(error) ? error : this.#released(error);
    }
  }

  /**
   * The database is at fault, not the event: it comes again, and no attempt is counted. Many events fail together: the
   * wait grows with the time that the database is away, not with their number.
   */
  #released(cause: unknown): ReleaseDelivery {
    const now = systemClock.monotonic();
    if (this.#failures === 0) {
      this.#options.logger.error({ err: cause }, "Webhook deliveries cannot be written");
    }
    const isAgain = now >= this.#sameUntil || this.#failures === 0;
    if (isAgain) this.#failures += 1;
    const delayMs = grownDelay(AGAIN_AFTER_MS, 2, this.#failures - 1, AGAIN_AFTER_AT_MOST_MS);
    if (isAgain) this.#sameUntil = now + delayMs;
    return new ReleaseDelivery("Webhook deliveries cannot be written", { cause, delayMs });
  }
}
