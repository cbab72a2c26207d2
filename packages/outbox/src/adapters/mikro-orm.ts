import { assertOptions } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow } from "@busbar/sql";
import {
  adapterOptions,
  assertTransaction,
  methodsOf,
  withQuestionMarks,
} from "@busbar/sql/feature";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** The part of an SQL entity manager of MikroORM that is used. */
export interface MikroOrmEntityManager {
  /** Returns the open transaction, if there is one. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a context of the query builder beneath, passed on
  getTransactionContext(): any;
  /** Returns the connection of the manager. */
  getConnection(): {
    execute(
      query: string,
      parameters: unknown[],
      method: "all",
      // oxlint-disable-next-line typescript/no-explicit-any -- the same
      context?: any,
    ): Promise<unknown>;
  };
}

/** An entity manager that begins transactions. */
export interface MikroOrmRootEntityManager<
  Tx extends MikroOrmEntityManager,
> extends MikroOrmEntityManager {
  /** Makes a manager of its own. */
  fork(): MikroOrmRootEntityManager<Tx>;
  /** Runs `work` in a transaction. */
  transactional<T>(work: (manager: Tx) => Promise<T>): Promise<T>;
}

/** Options of {@link mikroOrmStore}. */
export interface MikroOrmStoreOptions<Tx extends MikroOrmEntityManager> extends AdapterOptions {
  /** `orm.em`. Each transaction of the outbox has a fork of it. */
  readonly em: MikroOrmRootEntityManager<Tx>;
}

/** A store by way of MikroORM. A transaction is the entity manager that `transactional` gives. */
export function mikroOrmStore<Tx extends MikroOrmEntityManager>(
  options: MikroOrmStoreOptions<Tx>,
): OutboxStore<Tx> {
  assertOptions(
    "mikroOrmStore()",
    options,
    { ...adapterOptions, em: methodsOf("an entity manager of SQL", ["fork", "transactional"]) },
    { em: "such as orm.em" },
  );
  const { em, dialect = "postgres", schema, listen } = options;
  return defineStore<Tx>({
    dialect,
    schema,
    listen,
    within(manager) {
      assertTransaction(
        manager.getTransactionContext() !== undefined,
        "an entity manager without a transaction",
      );
      return executor(manager);
    },
    execute: (sql, parameters) => executor(em.fork()).execute(sql, parameters),
    transaction: (work) => em.fork().transactional(work),
  });
}

function executor(manager: MikroOrmEntityManager): SqlExecutor {
  return {
    async execute(text, parameters = []) {
      const { sql, values } = withQuestionMarks(text, parameters);
      const context: unknown = manager.getTransactionContext();
      return (await manager.getConnection().execute(sql, [...values], "all", context)) as SqlRow[];
    },
  };
}
