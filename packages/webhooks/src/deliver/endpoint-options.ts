import type { SqlExecutor } from "@busbar/sql";
import type { RetryPolicy } from "../contract/retry-policy.ts";
import type { SubscriptionSettings } from "../contract/subscription.ts";
import { type WebhookStore, wholeOf } from "../store/webhook-store.ts";

/** What claiming and recording must know of a subscription's settings. */
export type EndpointOptions = Pick<
  SubscriptionSettings,
  "concurrency" | "rate" | "retry" | "orderingKey" | "onOrderedFailure"
>;

/** A subscription as a row says that it is now. */
export interface SubscriptionVersion {
  readonly id: string;
  readonly version: number;
}

/** Subscriptions that are remembered at most. */
const MOST_KNOWN = 10_000;
const STANDARD: RetryPolicy = { type: "standard" };

/** Knows the settings of subscriptions by which their deliveries are claimed and recorded, each version read once. */
export class EndpointOptionsCache {
  readonly #store: WebhookStore;
  readonly #known = new Map<
    string,
    { readonly version: number; readonly options: EndpointOptions }
  >();

  constructor(store: WebhookStore) {
    this.#store = store;
  }

  /** Resolves with the options of each of the subscriptions that exist. */
  async of(
    executor: SqlExecutor,
    wanted: readonly SubscriptionVersion[],
  ): Promise<ReadonlyMap<string, EndpointOptions>> {
    const unknown = wanted.filter(({ id, version }) => this.#known.get(id)?.version !== version);
    if (unknown.length > 0)
      await this.#read(
        executor,
        unknown.map(({ id }) => id),
      );
    const found = new Map<string, EndpointOptions>();
    for (const { id } of wanted) {
      const options = this.#known.get(id)?.options;
      if (options) found.set(id, options);
    }
    return found;
  }

  async #read(executor: SqlExecutor, ids: readonly string[]): Promise<void> {
    const { tables, sql } = this.#store;
    const rows = await executor.execute(
      `SELECT id, version, options FROM ${tables.subscriptions} WHERE id IN ${sql.list("$1", "text")}`,
      [JSON.stringify(ids)],
    );
    for (const row of rows) {
      const id = String(row["id"]);
      this.#known.delete(id);
      this.#known.set(id, {
        version: wholeOf(row["version"]),
        options: optionsIn(String(row["options"])),
      });
    }
    for (const id of this.#known.keys()) {
      if (this.#known.size <= MOST_KNOWN) break;
      this.#known.delete(id);
    }
  }
}

function optionsIn(json: string): EndpointOptions {
  const options = JSON.parse(json) as Partial<SubscriptionSettings>;
  return {
    concurrency: options.concurrency ?? 10,
    rate: options.rate ?? null,
    retry: options.retry ?? STANDARD,
    orderingKey: options.orderingKey ?? null,
    onOrderedFailure: options.onOrderedFailure ?? "skip",
  };
}
