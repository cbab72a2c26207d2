import { assertOptions } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow } from "@busbar/sql";
import {
  adapterOptions,
  assertTransaction,
  methodsOf,
  withQuestionMarks,
} from "@busbar/sql/feature";
import { CompiledQuery, type Kysely, type Transaction } from "kysely";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** Options of {@link kyselyStore}. */
export interface KyselyStoreOptions<DB> extends AdapterOptions {
  /** It stays yours: never destroyed. */
  readonly db: Kysely<DB>;
}

/** A store by way of Kysely. A transaction is what `db.transaction().execute` gives. */
export function kyselyStore<DB>(options: KyselyStoreOptions<DB>): OutboxStore<Transaction<DB>> {
  assertOptions(
    "kyselyStore()",
    options,
    { ...adapterOptions, db: methodsOf("a Kysely", ["executeQuery", "transaction"]) },
    { db: "such as new Kysely({ dialect })" },
  );
  const { db, dialect = "postgres", schema, listen } = options;
  const executor = (on: Kysely<DB>): SqlExecutor => ({
    async execute(text, parameters = []) {
      const { sql, values } =
        dialect === "sqlite"
          ? withQuestionMarks(text, parameters)
          : { sql: text, values: parameters };
      const { rows } = await on.executeQuery(CompiledQuery.raw(sql, [...values]));
      return rows as readonly SqlRow[];
    },
  });
  return defineStore<Transaction<DB>>({
    dialect,
    schema,
    listen,
    within(transaction) {
      assertTransaction(transaction.isTransaction, "a Kysely that is no transaction");
      return executor(transaction);
    },
    execute: (sql, parameters) => executor(db).execute(sql, parameters),
    transaction: (work) => db.transaction().execute(work),
  });
}
