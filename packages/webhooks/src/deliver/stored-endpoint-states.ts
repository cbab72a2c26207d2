import type { SqlRow } from "@busbar/sql";
import type { EndpointState, EndpointStates } from "../contract/endpoint-state.ts";
import { storable, timeOf, type WebhookStore, wholeOf } from "../store/webhook-store.ts";

const MOST = 100;

/** The endpoints of a store, as operators see them. */
export class StoredEndpointStates implements EndpointStates {
  readonly #store: WebhookStore;

  constructor(store: WebhookStore) {
    this.#store = store;
  }

  async get(subscriptionId: string): Promise<EndpointState> {
    const id = storable(subscriptionId);
    const [state] = await this.#read("subscriptions.id = $1", [id]);
    return state ?? { ...HEALTHY, subscriptionId: id };
  }

  failing(): Promise<readonly EndpointState[]> {
    const { now } = this.#store.sql;
    return this.#read(
      `deleted_at IS NULL AND (breaker <> 'closed' OR failures > 0 OR not_before > ${now})`,
      [],
    );
  }

  async #read(condition: string, parameters: readonly string[]): Promise<EndpointState[]> {
    const { own, sql, tables } = this.#store;
    // The partial indexes have the waiting deliveries in two parts.
    const count = (condition: string): string =>
      `(SELECT count(*) FROM ${tables.deliveries} AS deliveries
        WHERE deliveries.subscription_id = subscriptions.id AND ${condition})`;
    // SQLite lists NULL first, PostgreSQL last: what only rests comes last on both.
    const rows = await own.execute(
      `SELECT subscriptions.id, breaker, failures, failing_since, open_until,
        CASE WHEN not_before > ${sql.now} THEN not_before END AS rests_until,
        ${count("state = 'waiting' AND due_at IS NOT NULL")}
          + ${count("state = 'waiting' AND due_at IS NULL")} AS waiting,
        ${count("state = 'running'")} AS running
      FROM ${tables.subscriptions} AS subscriptions
      LEFT JOIN ${tables.endpoints} AS endpoints ON endpoints.subscription_id = subscriptions.id
      WHERE ${condition} ORDER BY failing_since IS NULL, failing_since, subscriptions.id LIMIT ${MOST}`,
      parameters,
    );
    return rows.map(toState);
  }
}

const HEALTHY: Omit<EndpointState, "subscriptionId"> = {
  breaker: "closed",
  failures: 0,
  failingSince: null,
  openUntil: null,
  restsUntil: null,
  waiting: 0,
  running: 0,
};

function toState(row: SqlRow): EndpointState {
  const breaker = (row["breaker"] as EndpointState["breaker"] | null) ?? "closed";
  return {
    subscriptionId: row["id"] as string,
    breaker,
    failures: wholeOf(row["failures"] ?? 0),
    failingSince: timeOf(row["failing_since"]),
    openUntil: breaker === "closed" ? null : timeOf(row["open_until"]),
    restsUntil: timeOf(row["rests_until"]),
    waiting: wholeOf(row["waiting"]),
    running: wholeOf(row["running"]),
  };
}
