import type { SqlStore } from "@busbar/sql";
import { OwnWork } from "@busbar/sql/feature";
import { outboxSql } from "./outbox-sql.ts";
import type { Relay, RelayState } from "./relay.ts";

/** Counts that describe the state of the outbox. */
export interface OutboxInspection {
  /** Events that are committed and not yet published, those in the hand of a relay included. */
  readonly pending: number;
  /** Events whose time has not come. */
  readonly delayed: number;
  /** Events that wait in their group. */
  readonly staged: number;
  /** The number of events that the relay has set aside: permanently rejected, or unreadable. */
  readonly failed: number;
  /** When the oldest pending event was staged. */
  readonly oldestAt: Date | undefined;
  /** The relay of this process. */
  readonly relay: {
    readonly state: RelayState;
    /** Events published per second, over the last minute. */
    readonly rate: number;
    /** Events that are published and not settled, on a provider that is not durable. */
    readonly unsettled: number;
    /** The last error of the relay. Undefined if the relay has had no error. */
    readonly lastError: unknown;
  };
}

/** Counts the rows of an outbox. */
export async function inspectOutbox<Tx>(
  store: SqlStore<Tx>,
  relay: Relay<Tx> | undefined,
): Promise<OutboxInspection> {
  const rows = await new OwnWork(store).execute(
    `SELECT state, CAST(count(*) AS double precision) AS count,
      CAST(min(created_at) AS double precision) AS oldest_at
    FROM ${outboxSql(store).outbox} GROUP BY state`,
  );
  const of = (state: string): number =>
    Number(rows.find((row) => row["state"] === state)?.["count"] ?? 0);
  const oldest = rows
    .filter(({ state }) => state === "pending" || state === "claimed")
    .map((row) => row["oldest_at"] as number);
  return {
    pending: of("pending") + of("claimed"),
    delayed: of("delayed"),
    staged: of("staged") + of("marked"),
    failed: of("failed"),
    oldestAt: oldest.length > 0 ? new Date(Math.min(...oldest)) : undefined,
    relay: {
      state: relay?.state ?? "stopped",
      rate: relay?.rate.perSecond ?? 0,
      unsettled: relay?.unsettled ?? 0,
      lastError: relay?.lastError,
    },
  };
}
