import { assertOptions } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow } from "@busbar/sql";
import {
  adapterOptions,
  assertTransaction,
  methodsOf,
  withQuestionMarks,
} from "@busbar/sql/feature";
import type { DataSource, EntityManager, QueryRunner } from "typeorm";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** Options of {@link typeormStore}. */
export interface TypeormStoreOptions extends AdapterOptions {
  /** Initialised. It stays yours: never destroyed. */
  readonly dataSource: DataSource;
}

/** A store by way of TypeORM. A transaction is the entity manager that `transaction` gives. */
export function typeormStore(options: TypeormStoreOptions): OutboxStore<EntityManager> {
  assertOptions(
    "typeormStore()",
    options,
    {
      ...adapterOptions,
      dataSource: methodsOf("a DataSource", ["createQueryRunner", "transaction"]),
    },
    { dataSource: "such as new DataSource(options)" },
  );
  const { dataSource, dialect = "postgres", schema, listen } = options;
  const executor = (runner: QueryRunner): SqlExecutor => ({
    async execute(text, parameters = []) {
      const { sql, values } =
        dialect === "sqlite"
          ? withQuestionMarks(text, parameters)
          : { sql: text, values: parameters };
      // Structured: the plain result has another form for each kind of statement.
      const { records } = await runner.query(sql, [...values], true);
      return (records ?? []) as readonly SqlRow[];
    },
  });
  return defineStore({
    dialect,
    schema,
    listen,
    within(manager) {
      const { queryRunner } = manager;
      assertTransaction(
        queryRunner?.isTransactionActive === true,
        "an entity manager without a transaction",
      );
      return executor(queryRunner as QueryRunner);
    },
    async execute(sql, parameters) {
      const runner = dataSource.createQueryRunner();
      try {
        return await executor(runner).execute(sql, parameters);
      } finally {
        await runner.release();
      }
    },
    transaction: (work) => dataSource.transaction(work),
  });
}
