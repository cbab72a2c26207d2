import { assertOptions } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow } from "@busbar/sql";
import {
  adapterOptions,
  assertTransaction,
  methodsOf,
  withQuestionMarks,
} from "@busbar/sql/feature";
import type { Knex } from "knex";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** Options of {@link knexStore}. */
export interface KnexStoreOptions extends AdapterOptions {
  /** It stays yours: never destroyed. */
  readonly knex: Knex;
}

/** A store by way of Knex. A transaction is what `knex.transaction` gives. */
export function knexStore(options: KnexStoreOptions): OutboxStore<Knex.Transaction> {
  assertOptions(
    "knexStore()",
    options,
    { ...adapterOptions, knex: methodsOf("a Knex", ["raw", "transaction"]) },
    { knex: 'such as knex({ client: "pg" })' },
  );
  const { knex, dialect = "postgres", schema, listen } = options;
  return defineStore<Knex.Transaction>({
    dialect,
    schema,
    listen,
    within(transaction) {
      assertTransaction(transaction.isTransaction === true, "a Knex that is no transaction");
      assertTransaction(!transaction.isCompleted(), "a transaction that has ended");
      return executor(transaction);
    },
    execute: (sql, parameters) => executor(knex).execute(sql, parameters),
    transaction: (work) => knex.transaction(work),
  });
}

function executor(knex: Knex): SqlExecutor {
  return {
    async execute(text, parameters = []) {
      const { sql, values } = withQuestionMarks(text, parameters);
      const result = (await knex.raw(sql, values)) as
        | readonly SqlRow[]
        | { rows: readonly SqlRow[] };
      return "rows" in result ? result.rows : result;
    },
  };
}
