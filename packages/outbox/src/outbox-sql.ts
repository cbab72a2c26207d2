import type { SqlStore } from "@busbar/sql";
import { type Sql, sqlOf } from "@busbar/sql/feature";

/** What the statements of outbox and inbox have in common, in the dialect of a store. */
export interface OutboxSql extends Sql {
  readonly outbox: string;
  readonly inbox: string;
}

/** The dialect of a store, and the names of the tables there. */
export function outboxSql(store: Pick<SqlStore, "dialect" | "schema">): OutboxSql {
  const sql = sqlOf(store);
  return { ...sql, outbox: sql.table("busbar_outbox"), inbox: sql.table("busbar_inbox") };
}
