import type { EventBus, IEventBusModule } from "@busbar/core";
import { assertOptions, checks, type JsonObject, nearestHint, quoted } from "@busbar/core/provider";
import type { Catalogue } from "../catalogue/catalogue.ts";
import { isOperational } from "../catalogue/operational-events.ts";
import type { ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import { checkScope } from "./scope.ts";

/**
 * The member of an event's metadata that has the last change of the subscriptions that `publish` knew of. The process
 * that matches the event may be another one, and must know of that change first.
 */
export const REVISION = "webhookRevision";

/** Options of `publish`. */
export interface PublishOptions {
  /**
   * The scope of the event, such as a shop or a tenant: subscriptions with another scope do not get it. None by
   * default.
   */
  readonly scope?: string | number | undefined;
  /**
   * Events with the same key reach the router in the order in which they were published; `$event` as the `orderingKey`
   * of a subscription keeps that order up to the destination. None by default.
   */
  readonly orderingKey?: string | undefined;
  /**
   * The id of the event. If an event of this id was published before, its subscriptions get no second delivery. A UUID
   * by default.
   */
  readonly id?: string | undefined;
  /** Milliseconds before the event is delivered, or the time from which it is delivered. None by default. */
  readonly delay?: number | Date | undefined;
  /** What travels next to the arguments, such as `traceparent`. None by default. */
  readonly metadata?: JsonObject | undefined;
}

/** Publishes declared events. */
export class Publisher {
  readonly #bus: IEventBusModule;
  readonly #catalogue: Catalogue;
  readonly #active: ActiveSubscriptions;

  constructor(bus: IEventBusModule, catalogue: Catalogue, active: ActiveSubscriptions) {
    this.#bus = bus;
    this.#catalogue = catalogue;
    this.#active = active;
  }

  /**
   * Emits an event if a webhook subscription wants it.
   *
   * @returns The id of the event, or null if nothing was emitted.
   */
  async publish(name: string, args: unknown, options: PublishOptions = {}): Promise<string | null> {
    assertOptions("publish()", options, {
      scope: checkScope,
      orderingKey: checks.text,
      id: checks.text,
      delay: checks.anything,
      metadata: checks.object,
    });
    if (this.#catalogue.get(name) === undefined || isOperational(name)) {
      const hint = nearestHint(name, this.#catalogue.names);
      throw new TypeError(`publish(): there is no async event ${quoted(name)}${hint}`);
    }
    const { scope, orderingKey, id, delay, metadata } = options;
    if (!this.#active.wants(name)) return null;
    const carried = { ...metadata, scope, [REVISION]: this.#active.revision };
    const message = { name, data: args, id, metadata: carried };
    const [emitted] = await this.#bus.emit(message, { orderingKey, delay });
    return emitted ?? null;
  }

  /** A publisher that writes events in the caller's transaction. */
  within(transaction: unknown): Publisher {
    // What a plugin is attached to is always the whole bus.
    const bus = (this.#bus as EventBus).withTransaction(transaction);
    return new Publisher(bus, this.#catalogue, this.#active);
  }
}
