import { assertOptions, checks } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow } from "@busbar/sql";
import {
  adapterOptions,
  assertTransaction,
  methodsOf,
  withQuestionMarks,
} from "@busbar/sql/feature";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** The part of an interactive transaction of Prisma that is used. */
export interface PrismaTransaction {
  /** Runs SQL with parameters, and resolves with its rows. */
  $queryRawUnsafe(query: string, ...values: unknown[]): PromiseLike<unknown>;
}

/** The part of a Prisma client that is used. */
export interface PrismaClientLike<Tx extends PrismaTransaction> extends PrismaTransaction {
  /** Runs `work` in an interactive transaction. */
  $transaction<T>(
    work: (transaction: Tx) => Promise<T>,
    options?: { maxWait?: number; timeout?: number },
  ): Promise<T>;
}

/** Options of {@link prismaStore}. */
export interface PrismaStoreOptions<Tx extends PrismaTransaction> extends AdapterOptions {
  /** It stays yours: never disconnected. */
  readonly prisma: PrismaClientLike<Tx>;
  /**
   * Milliseconds after which Prisma ends a transaction of the relay's, or of a handler within `once`.
   *
   * @default 30_000
   */
  readonly timeoutMs?: number | undefined;
}

/** A store by way of Prisma. A transaction is what an interactive `$transaction` gives. */
export function prismaStore<Tx extends PrismaTransaction>(
  options: PrismaStoreOptions<Tx>,
): OutboxStore<Tx> {
  assertOptions(
    "prismaStore()",
    options,
    {
      ...adapterOptions,
      prisma: methodsOf("a PrismaClient", ["$queryRawUnsafe", "$transaction"]),
      timeoutMs: checks.positive,
    },
    { prisma: "such as new PrismaClient({ adapter })" },
  );
  const { prisma, dialect = "postgres", schema, listen, timeoutMs = 30_000 } = options;
  const executor = (on: PrismaTransaction): SqlExecutor => ({
    async execute(text, parameters = []) {
      const { sql, values } =
        dialect === "sqlite"
          ? withQuestionMarks(text, parameters)
          : { sql: text, values: parameters };
      return (await on.$queryRawUnsafe(sql, ...values)) as readonly SqlRow[];
    },
  });
  return defineStore<Tx>({
    dialect,
    schema,
    listen,
    within(transaction) {
      assertTransaction(!("$connect" in transaction), "a client that is no transaction");
      return executor(transaction);
    },
    execute: (sql, parameters) => executor(prisma).execute(sql, parameters),
    transaction: (work) => prisma.$transaction(work, { maxWait: timeoutMs, timeout: timeoutMs }),
  });
}
