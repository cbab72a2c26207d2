import type { Event, IEventBusModule, Interceptor, Logger } from "@busbar/core";
import type { JsonValue } from "@busbar/core/provider";
import type { Catalogue } from "../catalogue/catalogue.ts";
import type { ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import type { Payloads } from "./payloads.ts";
import { scopeOf } from "./scope.ts";

/** The member of an event's metadata that has the payload of the time of the emit, as JSON. */
export const SNAPSHOT = "webhookPayload";

/** Milliseconds that a resolver may take at emit: less than the bus waits for interceptors. */
const WITHIN_MS = 5_000;

/** Options of {@link Snapshots}. */
export interface SnapshotsOptions {
  readonly bus: IEventBusModule;
  readonly catalogue: Catalogue;
  readonly active: ActiveSubscriptions;
  readonly payloads: Payloads;
  readonly maxPayloadBytes: number;
  readonly logger: Logger;
}

/**
 * Makes payloads at emit, for subscriptions with the payload mode `emitted`. Intercepts emits only while there is such
 * a subscription. If a payload cannot be made, the event travels without it, and the router makes the payload.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #controller = new AbortController();
  readonly #interceptor: Interceptor = (event) => this.#intercept(event);
  readonly #stopListening: () => void;
  #isAdded = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#stopListening = options.active.onChange(() => this.#follow());
    this.#follow();
  }

  /** Intercepts no more emits, and aborts the resolvers that run. */
  stop(): void {
    this.#stopListening();
    this.#options.bus.removeInterceptor(this.#interceptor);
    this.#controller.abort(new Error("The bus stops"));
  }

  #follow(): void {
    const { active, bus } = this.#options;
    if (active.hasSnapshots === this.#isAdded) return;
    this.#isAdded = active.hasSnapshots;
    if (this.#isAdded) bus.addInterceptor(this.#interceptor);
    else bus.removeInterceptor(this.#interceptor);
  }

  async #intercept(event: Event): Promise<Event | void> {
    const { catalogue, active, payloads, maxPayloadBytes, logger } = this.#options;
    const { id, name, data, metadata } = event;
    if (catalogue.get(name) === undefined) return;
    try {
      const scope = scopeOf(metadata["scope"]);
      if (!active.matching(name, scope).some(({ payload }) => payload === "emitted")) return;
      const occurredAt = metadata.createdAt as Date;
      const source = { id, name, scope, occurredAt, args: data as JsonValue };
      const snapshot = await payloads.resolve(source, this.#controller.signal, WITHIN_MS);
      if (snapshot === undefined) return;
      const changed = { ...event, metadata: { ...metadata, [SNAPSHOT]: snapshot.json } };
      // Otherwise the bus would refuse the event.
      const bytes = Buffer.byteLength(JSON.stringify([changed.data, changed.metadata]));
      if (bytes <= maxPayloadBytes) return changed;
      logger.warn({ event: name, eventId: id, bytes }, "A webhook payload is too large to travel");
    } catch (err) {
      logger.warn({ err, event: name, eventId: id }, "A webhook payload could not be made at emit");
    }
  }
}
