import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";
import type { Event } from "../contract/event.ts";
import type { DeliveryRun as MiddlewareDelivery, Middleware } from "../contract/middleware.ts";
import type { Envelope } from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import type { EventCatalogue } from "../contract/catalogue.ts";
import { safeError } from "../errors/safe-error.ts";
import { listed, quoted } from "../errors/quoted.ts";
import type { DeliveryRun } from "./delivery-run.ts";
import { receivedEvent } from "./received-event.ts";

/** What a {@link HandlerRunner} needs. */
export interface HandlerRunnerOptions {
  /** Whether handlers may not share data with each other. */
  readonly isolated: boolean;
  /** Whether each envelope's data belongs to its delivery alone, as it comes from the provider. */
  readonly fresh: boolean;
  /** Read at each run: middleware may be added while the bus runs. */
  readonly middleware: readonly Middleware[];
  readonly catalogue: Pick<EventCatalogue<object>, "parse"> | undefined;
}

/** Runs the functions of a subscription on an event, as one unit, within the middleware. */
export class HandlerRunner {
  readonly #options: HandlerRunnerOptions;

  constructor(options: HandlerRunnerOptions) {
    this.#options = options;
  }

  /** Fails, by a throw or a rejection, when one of the handlers or the middleware does. */
  run(run: DeliveryRun): void | Promise<void> {
    const { middleware, catalogue } = this.#options;
    const { handlers } = run;
    const [only] = handlers;
    if (only && handlers.length === 1 && middleware.length === 0 && !catalogue?.parse) {
      return only(this.#event(run, true), run);
    }
    return this.#runAll(run);
  }

  async #runAll(run: DeliveryRun): Promise<void> {
    // What the first of several changes must not be what the others' copies are made of.
    const isOnly = run.handlers.length === 1;
    const first = this.#options.catalogue?.parse
      ? await this.#parsed(run, isOnly)
      : this.#event(run, isOnly);
    let next = (): Promise<void> => this.#runHandlers(run, first);
    for (const middleware of this.#options.middleware.toReversed()) {
      const rest = next;
      next = () => runMiddleware(middleware, { event: first, context: run }, rest);
    }
    await next();
  }

  async #runHandlers(run: DeliveryRun, first: Event): Promise<void> {
    const [only, ...others] = run.handlers;
    if (only && others.length === 0) return only(first, run);
    const outcomes = await Promise.allSettled(
      run.handlers.map(async (handler, index) => {
        if (index === 0) return handler(first, run);
        // Without a schema all begin in the same turn.
        const event = this.#options.catalogue?.parse
          ? await this.#parsed(run, false)
          : this.#event(run, false);
        return handler(event, run);
      }),
    );
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason as unknown] : [],
    );
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) {
      // Without the values of what was thrown and is no error: this is logged.
      const messages = listed(errors.map((error) => safeError(error).message));
      throw new AggregateError(errors, `${errors.length} handlers failed: ${messages}`);
    }
  }

  #event(run: DeliveryRun, isOnly: boolean): Event {
    const { isolated, fresh } = this.#options;
    return isolated
      ? receivedEvent(run.envelope, !(fresh && isOnly))
      : OutgoingEnvelope.sharedEvent(run.envelope, sharedEvent);
  }

  async #parsed(run: DeliveryRun, isOnly: boolean): Promise<Event> {
    const event = this.#event(run, isOnly);
    const parse = this.#options.catalogue?.parse;
    if (!parse) return event;
    const parsed = await parse(event.name, event.data);
    if (!parsed.issues) return { ...event, data: parsed.value };
    run.isInvalid = true;
    const reasons = parsed.issues.map(({ path, reason }) => `${path || "data"}: ${reason}`);
    throw new BusbarError(
      "BUSBAR_INVALID_EVENT",
      `Event ${quoted(event.name)} does not match its schema at consume: ${listed(reasons)}`,
      { event: event.name, issues: parsed.issues },
    );
  }
}

function sharedEvent(envelope: Envelope): Event {
  return receivedEvent(envelope, false);
}

async function runMiddleware(
  middleware: Middleware,
  delivery: MiddlewareDelivery,
  rest: () => Promise<void>,
): Promise<void> {
  let called = false;
  let underWay: Promise<void> | undefined;
  await middleware(delivery, () => {
    // It would handle the event twice.
    if (called) throw new TypeError("Middleware may call next() once");
    called = true;
    const end = (): void => void (underWay = undefined);
    underWay = rest();
    underWay.then(end, end);
    return underWay;
  });
  // Middleware that does not wait for the rest does not decide for it either.
  await underWay;
}
