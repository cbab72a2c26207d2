import type { SqlExecutor, SqlRow } from "@busbar/sql";
import { type WebhookStore, wholeOf, wholeOrNull } from "../store/webhook-store.ts";
import type { EndpointHealth } from "./breaker.ts";
import type { RateWindow } from "./rate.ts";

/** The endpoint of a subscription, as its row has it. */
export interface Endpoint {
  readonly subscriptionId: string;
  readonly health: EndpointHealth;
  /** Until when the endpoint has asked not to be disturbed. */
  readonly notBefore: number | null;
  readonly rateWindow: RateWindow;
}

/** The columns that {@link endpointOf} reads, of a table that is called `endpoints`. */
export const ENDPOINT_COLUMNS = `endpoints.subscription_id, endpoints.breaker, endpoints.failures,
  endpoints.retryable_failures, endpoints.failing_since, endpoints.open_until, endpoints.opened,
  endpoints.warned, endpoints.not_before, endpoints.rate_window`;

/** Reads a row with {@link ENDPOINT_COLUMNS}. */
export function endpointOf(row: SqlRow): Endpoint {
  return {
    subscriptionId: String(row["subscription_id"]),
    health: {
      breaker: row["breaker"] as EndpointHealth["breaker"],
      failures: wholeOf(row["failures"]),
      retryableFailures: wholeOf(row["retryable_failures"]),
      failingSince: wholeOrNull(row["failing_since"]),
      openUntil: wholeOrNull(row["open_until"]),
      opened: wholeOf(row["opened"]),
      warned: wholeOf(row["warned"]),
    },
    notBefore: wholeOrNull(row["not_before"]),
    rateWindow:
      typeof row["rate_window"] === "string" ? (JSON.parse(row["rate_window"]) as RateWindow) : [],
  };
}

/** Writes endpoints, whose rows the transaction has locked. */
export async function writeEndpoints(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  endpoints: readonly Endpoint[],
): Promise<void> {
  if (endpoints.length === 0) return;
  const values = endpoints.map(({ subscriptionId, health, notBefore, rateWindow }) => ({
    subscription_id: subscriptionId,
    breaker: health.breaker,
    failures: health.failures,
    retryable_failures: health.retryableFailures,
    failing_since: health.failingSince,
    open_until: health.openUntil,
    opened: health.opened,
    warned: health.warned,
    not_before: notBefore,
    rate_window: rateWindow.length === 0 ? null : JSON.stringify(rateWindow),
  }));
  const names = Object.keys(COLUMNS).filter((name) => name !== "subscription_id");
  await executor.execute(
    `UPDATE ${tables.endpoints} SET ${names.map((name) => `${name} = it.${name}`).join(", ")}
      FROM ${sql.rows("$1", COLUMNS)} AS it
      WHERE ${tables.endpoints}.subscription_id = it.subscription_id`,
    [JSON.stringify(values)],
  );
}

const COLUMNS = {
  subscription_id: "text",
  breaker: "text",
  failures: "bigint",
  retryable_failures: "bigint",
  failing_since: "bigint",
  open_until: "bigint",
  opened: "bigint",
  warned: "bigint",
  not_before: "bigint",
  rate_window: "text",
} as const;
