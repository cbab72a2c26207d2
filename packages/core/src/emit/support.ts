import type { Logger } from "../contract/logger.ts";
import type { Envelope, EventProvider } from "../contract/provider.ts";
import type { SubscriptionPolicy } from "../deliver/policy.ts";
import { BusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";

/** The capability that an option needs. */
const NEEDS = {
  delay: "delay",
  backoff: "retryDelay",
  orderingKey: "ordering",
  ordering: "ordering",
  deduplicationId: "deduplication",
  to: "targets",
} as const;

/** Refuses what a provider cannot do, before it is asked to. */
export class Support {
  readonly #provider: EventProvider;
  readonly #logger: Logger;
  #warnedOfPriority = false;

  constructor(provider: EventProvider, logger: Logger) {
    this.#provider = provider;
    this.#logger = logger;
  }

  /** @throws BusbarError `BUSBAR_UNSUPPORTED` naming the provider and the option. */
  assertEnvelope(envelope: Envelope, isDelayedElsewhere = false): void {
    const { capabilities: can } = this.#provider;
    if (envelope.delayMs !== undefined && !can.delay && !isDelayedElsewhere)
      throw this.#refuse("delay");
    if (envelope.policy?.backoff && !can.retryDelay) throw this.#refuse("backoff");
    if (envelope.orderingKey !== undefined && !can.ordering) throw this.#refuse("orderingKey");
    if (envelope.deduplicationId !== undefined && !can.deduplication) {
      throw this.#refuse("deduplicationId");
    }
    if (envelope.to !== undefined && !can.targets) throw this.#refuse("to");
    if (envelope.priority !== undefined && !can.priority && !this.#warnedOfPriority) {
      this.#warnedOfPriority = true;
      const { name: provider } = this.#provider;
      this.#logger.warn({ provider }, `Provider "${provider}" has no priorities; they are ignored`);
    }
  }

  /** @throws BusbarError `BUSBAR_UNSUPPORTED` naming the provider and the option. */
  assertPolicy(policy: SubscriptionPolicy, subscriptionId: string): void {
    const { capabilities: can } = this.#provider;
    const of = ` of subscriber ${quoted(subscriptionId)}`;
    if (policy.backoff && !can.retryDelay) throw this.#refuse("backoff", of);
    if (policy.ordering && policy.ordering !== "none" && !can.ordering) {
      throw this.#refuse("ordering", of);
    }
    // In memory the bus counts.
    if (policy.rate && can.durable && !this.#provider.rates) {
      const what = `the option "rate"${of}: leave it out, or choose a provider that has "rates"`;
      throw unsupported(this.#provider.name, "rate", what);
    }
  }

  #refuse(option: keyof typeof NEEDS, of = ""): BusbarError<"BUSBAR_UNSUPPORTED"> {
    const leftOut =
      option === "delay"
        ? "emit when the event is due"
        : `leave it out${option === "backoff" ? " to retry at once" : ""}`;
    const what = `the option "${option}"${of}: ${leftOut}, or choose a provider with the capability "${NEEDS[option]}"`;
    return unsupported(this.#provider.name, option, what);
  }
}

/** The error that refuses what a provider cannot do. */
export function unsupported(
  provider: string,
  option: string,
  what: string,
): BusbarError<"BUSBAR_UNSUPPORTED"> {
  return new BusbarError("BUSBAR_UNSUPPORTED", `Provider "${provider}" does not support ${what}`, {
    provider,
    option,
  });
}
