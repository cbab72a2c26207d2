import { assertOptions } from "@busbar/core/provider";
import { adapterOptions, methodsOf } from "../option-checks.ts";
import type { Knex } from "knex";
import { defineStore } from "../define-store.ts";
import { withQuestionMarks } from "../placeholders.ts";
import type { AdapterOptions, OutboxStore, SqlExecutor, SqlRow } from "../store.ts";
import { assertTransaction } from "../transactions.ts";

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
