import type { SqlExecutor } from "@busbar/sql";
import type { WebhookStore } from "../store/webhook-store.ts";
import { isOneOf } from "./sql-parts.ts";

/** A delivery that waits. */
export interface DueDelivery {
  /** The number of its row. */
  readonly number: number;
  readonly subscriptionId: string;
  /** What its order is kept by. Null: no order. */
  readonly orderingKey: string | null;
}

/** An ordering key of a subscription. */
export interface KeyOf {
  readonly subscriptionId: string;
  readonly orderingKey: string;
}

/**
 * Splits deliveries into those that may be attempted, and those that wait for another one of their key: for one that runs,
 * for an earlier one that waits, or for an earlier one that is dead, where the subscription says that those hold up the
 * next. The endpoints must be locked.
 *
 * @param parks Whether dead deliveries of a subscription hold up the next of their key.
 */
export async function splitByOrder<Delivery extends DueDelivery>(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  deliveries: readonly Delivery[],
  parks: (subscriptionId: string) => boolean,
): Promise<{ readonly free: readonly Delivery[]; readonly held: readonly Delivery[] }> {
  const ordered = deliveries.filter(({ orderingKey }) => orderingKey !== null);
  if (ordered.length === 0) return { free: deliveries, held: [] };
  const same = `others.subscription_id = it.subscription_id
    AND others.ordering_key = it.ordering_key AND others.ordering_key IS NOT NULL`;
  const exists = (condition: string): string =>
    `EXISTS (SELECT 1 FROM ${tables.deliveries} AS others WHERE ${same} AND ${condition})`;
  const rows = await executor.execute(
    `SELECT it.number FROM ${sql.rows("$1", COLUMNS)} AS it
      WHERE ${exists("others.state = 'running'")}
        OR ${exists("others.state = 'waiting' AND others.number < it.number")}
        OR (it.parks = 1 AND ${exists("others.state = 'dead' AND others.number < it.number")})`,
    [
      JSON.stringify(
        ordered.map(({ number, subscriptionId, orderingKey }) => ({
          number,
          subscription_id: subscriptionId,
          ordering_key: orderingKey,
          parks: parks(subscriptionId) ? 1 : 0,
        })),
      ),
    ],
  );
  const behind = new Set(rows.map((row) => Number(row["number"])));
  return {
    free: deliveries.filter(({ number }) => !behind.has(number)),
    held: deliveries.filter(({ number }) => behind.has(number)),
  };
}

/** Has deliveries wait until {@link release} finds that one is the next of its key. The endpoints must be locked. */
export async function hold(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  numbers: readonly number[],
): Promise<void> {
  if (numbers.length === 0) return;
  await executor.execute(
    `UPDATE ${tables.deliveries} SET due_at = NULL
      WHERE ${isOneOf(sql, "number", "$1", "bigint")} AND state = 'waiting'`,
    [JSON.stringify(numbers)],
  );
}

/** A key of which a delivery has ended, or is to be attempted again. */
export interface FreedKey extends KeyOf {
  /** The number before which held deliveries may be free now. Null: any may be. */
  readonly before: number | null;
}

/**
 * Makes the first of the held deliveries of each key due: something has changed for the one before it. If that still holds
 * it up, the next claim holds it again. The endpoints must be locked, or a claim may hold one at the same moment; a
 * delivery that is missed so is found by {@link releaseForgotten}.
 */
export async function release(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  keys: readonly FreedKey[],
): Promise<void> {
  if (keys.length === 0) return;
  const values = keys.map(({ subscriptionId, orderingKey, before }) => ({
    subscription_id: subscriptionId,
    ordering_key: orderingKey,
    before,
  }));
  const first = await executor.execute(
    `SELECT (SELECT min(number) FROM ${tables.deliveries}
        WHERE subscription_id = it.subscription_id AND ordering_key = it.ordering_key
          AND state = 'waiting' AND due_at IS NULL
          AND (it.before IS NULL OR number < it.before)) AS number
      FROM ${sql.rows("$1", FREED)} AS it`,
    [JSON.stringify(values)],
  );
  const numbers = first.map((row) => row["number"]).filter((number) => number !== null);
  await makeDue(executor, { tables, sql }, numbers.map(Number));
}

/** Keys that {@link releaseForgotten} looks at, at most. */
const LOOKED_AT = 1_000;

/**
 * Makes held deliveries due whose key has nothing else under way: whoever cancelled the one before, or changed what dead
 * ones mean for the next, may have left them behind. Looks at the keys behind `after`, and resolves with the last of them,
 * or undefined when there are no more.
 */
export async function releaseForgotten(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  after: KeyOf | undefined,
): Promise<KeyOf | undefined> {
  const exists = (condition: string): string =>
    `EXISTS (SELECT 1 FROM ${tables.deliveries} AS others
      WHERE others.subscription_id = held.subscription_id AND others.ordering_key = held.ordering_key
        AND others.ordering_key IS NOT NULL AND ${condition})`;
  const rows = await executor.execute(
    `SELECT subscription_id, ordering_key, number,
      CASE WHEN ${exists("others.state = 'running'")}
        OR ${exists("others.state = 'waiting' AND others.due_at IS NOT NULL")} THEN 1 ELSE 0 END AS is_behind
      FROM (SELECT subscription_id, ordering_key, min(number) AS number FROM ${tables.deliveries}
        WHERE state = 'waiting' AND due_at IS NULL
          AND (subscription_id, ordering_key) > (CAST($1 AS text), CAST($2 AS text))
        GROUP BY subscription_id, ordering_key
        ORDER BY subscription_id, ordering_key LIMIT ${LOOKED_AT}) AS held
      ORDER BY subscription_id, ordering_key`,
    [after?.subscriptionId ?? "", after?.orderingKey ?? ""],
  );
  await makeDue(
    executor,
    { tables, sql },
    rows.filter((row) => Number(row["is_behind"]) === 0).map((row) => Number(row["number"])),
  );
  const last = rows.at(-1);
  if (last === undefined || rows.length < LOOKED_AT) return undefined;
  return {
    subscriptionId: String(last["subscription_id"]),
    orderingKey: String(last["ordering_key"]),
  };
}

async function makeDue(
  executor: SqlExecutor,
  { tables, sql }: Pick<WebhookStore, "tables" | "sql">,
  numbers: readonly number[],
): Promise<void> {
  if (numbers.length === 0) return;
  await executor.execute(
    `UPDATE ${tables.deliveries} SET due_at = ${sql.now}
      WHERE ${isOneOf(sql, "number", "$1", "bigint")} AND state = 'waiting' AND due_at IS NULL`,
    [JSON.stringify(numbers)],
  );
}

const COLUMNS = {
  number: "bigint",
  subscription_id: "text",
  ordering_key: "text",
  parks: "bigint",
} as const;

const FREED = { subscription_id: "text", ordering_key: "text", before: "bigint" } as const;
