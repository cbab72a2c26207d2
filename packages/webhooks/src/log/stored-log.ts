import type { Logger } from "@busbar/core";
import type {
  DeliveryAttempt,
  DeliveryLog,
  DeliveryTrace,
  LogQuery,
  WebhookDelivery,
} from "../contract/delivery.ts";
import type { Actor, PageOf, PageOptions } from "../contract/subscription.ts";
import { release } from "../deliver/order.ts";
import { notFound, stateConflict } from "../errors.ts";
import { LogIndex } from "../search/log-index.ts";
import {
  countMatches,
  type LogSearch,
  searchAttempts,
  searchDeliveries,
} from "../search/log-search.ts";
import { storable, textOf, type WebhookStore } from "../store/webhook-store.ts";
import { exportAttempts } from "./export.ts";
import { logPageOf, searchOf } from "./log-schema.ts";
import { findDelivery, traceDelivery } from "./stored-deliveries.ts";

/** What {@link StoredLog} needs. */
export interface StoredLogOptions {
  readonly store: WebhookStore;
  readonly logger: Logger;
  /** Whether there is a search index. */
  readonly hasIndex: boolean;
  /** Aborted when the bus stops. */
  readonly signal: AbortSignal;
}

/** The delivery log, in the store. */
export class StoredLog implements DeliveryLog {
  readonly #store: WebhookStore;
  readonly #logger: Logger;
  readonly #hasIndex: boolean;
  readonly #signal: AbortSignal;

  constructor({ store, logger, hasIndex, signal }: StoredLogOptions) {
    this.#store = store;
    this.#logger = logger;
    this.#hasIndex = hasIndex;
    this.#signal = signal;
  }

  async deliveries(query?: LogQuery, page?: PageOptions): Promise<PageOf<WebhookDelivery>> {
    const call = "webhooks.log.deliveries()";
    const search = this.#search(call, query);
    return searchDeliveries(this.#store.store, search, logPageOf(call, page));
  }

  async attempts(query?: LogQuery, page?: PageOptions): Promise<PageOf<DeliveryAttempt>> {
    const call = "webhooks.log.attempts()";
    const search = this.#search(call, query);
    return searchAttempts(this.#store.store, search, logPageOf(call, page));
  }

  async count(query?: LogQuery): Promise<number> {
    const search = this.#search("webhooks.log.count()", query);
    return countMatches(this.#store.store, "attempts", search);
  }

  trace(deliveryId: string): Promise<DeliveryTrace | undefined> {
    return traceDelivery(this.#store, storable(deliveryId));
  }

  async cancel(
    deliveryId: string,
    { by }: { readonly by?: Actor | undefined } = {},
  ): Promise<WebhookDelivery> {
    const id = storable(deliveryId);
    const isCancelled = await this.#cancel(id);
    const delivery = await findDelivery(this.#store, id);
    if (!delivery) throw notFound("delivery", deliveryId);
    const { state, subscriptionId } = delivery;
    if (isCancelled) {
      this.#logger.info({ deliveryId, subscriptionId, by }, "A webhook delivery was cancelled");
    } else if (state === "delivered") {
      const reason = "cannot be cancelled: the destination has it";
      throw stateConflict("delivery", deliveryId, { state, reason });
    } else if (state !== "cancelled") {
      const reason = "cannot be cancelled while an attempt is running";
      throw stateConflict("delivery", deliveryId, { state, reason });
    }
    return delivery;
  }

  export(query: LogQuery, format: "csv" | "ndjson"): ReadableStream<string> {
    return exportAttempts(this.#store, () => this.#search("webhooks.log.export()", query), format);
  }

  async rebuildIndex({
    signal = this.#signal,
  }: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    const any = AbortSignal.any([signal, this.#signal]);
    const count = await new LogIndex(this.#store.store).rebuild(() => any.aborted);
    any.throwIfAborted();
    return count;
  }

  #search(call: string, query: LogQuery | undefined): LogSearch {
    return { ...searchOf(call, query), index: this.#hasIndex };
  }

  /** Cancels a delivery that waits, or one that is dead and holds up others. Resolves with whether it has. */
  #cancel(id: string): Promise<boolean> {
    const { own, tables, forUpdate } = this.#store;
    return own.transaction(async (executor) => {
      // First the endpoint, as everybody does who changes deliveries in an order.
      await executor.execute(
        `SELECT subscription_id FROM ${tables.endpoints}
          WHERE subscription_id = (SELECT subscription_id FROM ${tables.deliveries} WHERE id = $1)
          ${forUpdate}`,
        [id],
      );
      const [row] = await executor.execute(
        `UPDATE ${tables.deliveries} SET state = 'cancelled', due_at = NULL
          WHERE id = $1 AND state IN ('waiting', 'dead')
          RETURNING subscription_id, ordering_key, number`,
        [id],
      );
      if (!row) return false;
      const orderingKey = textOf(row["ordering_key"]);
      if (orderingKey !== null) {
        const subscriptionId = String(row["subscription_id"]);
        await release(executor, this.#store, [{ subscriptionId, orderingKey, before: null }]);
      }
      return true;
    });
  }
}
