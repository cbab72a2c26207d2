import type { ProviderContext } from "@busbar/core/provider";
import type { AnswerOptions, SqlExecutor, SqlRow, SqlStore, SqlValue } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import { type ConnectionState, watchConnection } from "./connection/connection-state.ts";

/** The database of a bus: runs the provider's statements, and knows the names in its schema. */
export interface Database extends SqlExecutor, Pick<Sql, "idIn" | "list" | "now" | "rows"> {
  /** Returns the name of a table or a function in the schema of the bus. */
  readonly table: (name: string) => string;
  /** Runs `work` in a transaction of the provider's own, again if others got in its way. */
  transaction<T>(work: (executor: SqlExecutor) => Promise<T>): Promise<T>;
  /**
   * Runs statements in a transaction of the caller's.
   *
   * @throws TypeError when it is evidently none.
   */
  within(transaction: unknown): SqlExecutor;
  /** Resolves with the time of the database, in milliseconds since the epoch. */
  time(): Promise<number>;
  /** Asks whether the database answers. */
  ask(): Promise<unknown>;
  /** Reports nothing any more. */
  close(): void;
}

/** Makes the database of a bus out of a store in its schema. Reports to the bus when it is away, and when it is back. */
export function createDatabase(
  store: SqlStore,
  context: ProviderContext,
  answerWithinMs: number,
): Database {
  const own = new OwnWork(store, answerWithinMs);
  const { idIn, list, now, rows, table } = sqlOf(store);
  const ask = (): Promise<unknown> => own.execute("SELECT 1 AS one");
  const connection: ConnectionState = watchConnection(context, store.server, ask);
  const execute = (
    sql: string,
    parameters?: readonly SqlValue[],
    options?: AnswerOptions,
  ): Promise<readonly SqlRow[]> => connection.watch(() => own.execute(sql, parameters, options));
  return {
    idIn,
    list,
    now,
    rows,
    table,
    execute,
    async time() {
      const [row] = await execute(`SELECT CAST(${now} AS double precision) AS now`);
      return row?.["now"] as number;
    },
    transaction: (work) => connection.watch(() => own.transaction(work)),
    within: (transaction) => store.within(transaction),
    ask,
    close: () => connection.close(),
  };
}
