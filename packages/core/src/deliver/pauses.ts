import type {
  EventProvider,
  SubscriptionRegistry,
  SubscriptionSpec,
} from "../contract/provider.ts";

/** Knows which subscriptions are paused in every process, as the provider's list said last. */
export class Pauses {
  /** Absent where the provider keeps no pauses: then nothing is paused, and that is always known. */
  readonly #registry: SubscriptionRegistry | undefined;
  #paused: ReadonlySet<string> = new Set();
  /** All ids of each subscription, by each of them. */
  #ids: ReadonlyMap<string, readonly string[]> = new Map();
  #begun = 0;
  /** The number of the look whose answer holds. */
  #answered = 0;

  constructor({ subscriptions }: Pick<EventProvider, "subscriptions">) {
    if (subscriptions?.setPaused) this.#registry = subscriptions;
  }

  /** Whether a subscription is paused in every process. The id may be an earlier one. */
  has(subscriptionId: string): boolean {
    return this.#paused.has(subscriptionId);
  }

  /** Whether two ids belong to the same subscription: one may be an earlier id. */
  areOne(subscriptionId: string, other: string): boolean {
    if (subscriptionId === other) return true;
    return this.#ids.get(subscriptionId)?.includes(other) ?? false;
  }

  /** The number of looks that have begun. A later look knows everything that was recorded before. */
  get begun(): number {
    return this.#begun;
  }

  /** Whether a look has been answered that began later than the first `begun` looks. */
  areKnownSince(begun: number): boolean {
    return this.#registry === undefined || this.#answered > begun;
  }

  /** Reads the list. Looks may overlap: the answer to the look that began last holds, even if it comes first. */
  async look(): Promise<void> {
    if (!this.#registry) return;
    this.#begun += 1;
    const look = this.#begun;
    const listed = await this.#registry.list();
    if (look < this.#answered) return;
    this.#answered = look;
    this.#paused = new Set(listed.filter(({ paused }) => paused).flatMap(idsOf));
    this.#ids = new Map(
      listed
        .filter(({ aliases }) => aliases.length > 0)
        .flatMap((it) => idsOf(it).map((id) => [id, idsOf(it)] as const)),
    );
  }
}

/** The ids of a subscription, earlier ones included. */
export function idsOf({ subscriptionId, aliases }: SubscriptionSpec): readonly string[] {
  return [subscriptionId, ...aliases];
}
