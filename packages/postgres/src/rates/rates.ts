import type { ReservedStarts, SharedRates } from "@busbar/core/provider";
import { toColumn } from "@busbar/sql/feature";
import type { Session } from "../session.ts";
import { createArrivals } from "./arrivals.ts";

/**
 * Counts the starts of runs over all processes. Each subscription has one row, which one statement changes: processes
 * take turns, and no lock outlives the statement.
 */
export function createRates({ context, database, registry }: Session): SharedRates {
  const { clock } = context;
  const arrivals = createArrivals();
  const rates = database.table("rates");
  const reserve = (starts: string, most: string): string =>
    `${database.table("reserve_starts")}(${starts}, ${most}, CAST($2 AS integer), CAST($3 AS bigint),
      CAST($4 AS integer), CAST($5 AS bigint))`;
  const statement = `
    INSERT INTO ${rates} AS present (subscription, starts, most, answer)
    SELECT CAST($1 AS text), starts, most, answer FROM ${reserve("ARRAY[]::bigint[]", "0")}
    ON CONFLICT (subscription) DO UPDATE SET (starts, most, answer) = (
      SELECT it.starts, it.most, it.answer FROM ${reserve("present.starts", "present.most")} AS it)
    RETURNING CAST(array_to_json(answer) AS text) AS answer`;

  return {
    async reserve(subscriptionId, { max, perMs, count, horizonMs }): Promise<ReservedStarts> {
      const { list } = await registry.routing();
      const id = toColumn(list.presentId(subscriptionId));
      const values = [id, max, Math.ceil(perMs), count, Math.ceil(horizonMs)];
      const sentAt = clock.monotonic();
      const [row] = await database.execute(statement, values, { isFrequent: true });
      const [now, ...reserved] = JSON.parse(row?.["answer"] as string) as [number, ...number[]];
      // The answer has been on its way for a while, which is a part of the wait.
      const agoMs = arrivals.delayOf(now, sentAt, clock.monotonic());
      // A start beyond the horizon is not reserved. It is the last one.
      const beyond = reserved.length > 0 && (reserved.at(-1) as number) > horizonMs;
      const laterMs = beyond ? (reserved.pop() as number) : undefined;
      const waitsMs = reserved.map((waitMs) => Math.max(waitMs - agoMs, 0));
      if (laterMs === undefined) return { waitsMs };
      // By then there are starts for half a horizon: to ask for each as it comes would be a request each.
      return { waitsMs, retryAfterMs: Math.max(laterMs - horizonMs / 2, 1) };
    },
  };
}
