import { rejectSafely, safeError, type SafeErrorOptions } from "@busbar/core/provider";
import type { Listen, SqlExecutor } from "./store.ts";

/** What databases, query builders and ORMs put into messages: statements, parameters and values of rows. */
const SAFELY: SafeErrorOptions = { redact: withoutStatement };

/** An executor whose errors hold no statements, parameters or rows. */
export function safeExecutor(executor: SqlExecutor): SqlExecutor {
  return {
    execute: (sql, parameters, options) => safely(() => executor.execute(sql, parameters, options)),
  };
}

/** Rejects as `work` does, without what the error of a driver holds. */
export function safely<T>(work: () => Promise<T>): Promise<T> {
  return rejectSafely(work, SAFELY);
}

/**
 * Runs `work` by `run`, such as a store's `transaction`. An error of `work`'s own passes as it is: a handler may
 * have thrown it, for the bus to look at.
 */
export async function safelyAround<Tx, T>(
  run: (work: (transaction: Tx) => Promise<T>) => Promise<T>,
  work: (transaction: Tx) => Promise<T>,
): Promise<T> {
  let own: { readonly error: unknown } | undefined;
  try {
    return await run(async (transaction) => {
      try {
        return await work(transaction);
      } catch (error) {
        own = { error };
        throw error;
      }
    });
  } catch (error) {
    throw own?.error === error ? error : safeError(error, SAFELY);
  }
}

/** Listens as `listen` does, and gives up with an error that holds nothing of the connection. */
export function safeListen(listen: Listen): Listen {
  return (channel, onNotify, onLost) =>
    safely(() => listen(channel, onNotify, (cause) => onLost(safeError(cause, SAFELY))));
}

function withoutStatement(message: string): string {
  return (
    reasonIn(message)
      .replaceAll(/\b(Key \([^)]*\))=\([^]*\)/g, "$1=(…)")
      .replaceAll(/\b(Failing row contains) \([^]*\)/g, "$1 (…)")
      // Names of tables and columns are between double quotes as well, and stay.
      .replaceAll(/(\bvalue|\bnear|:) "[^]*"/g, "$1 …")
  );
}

/** Drizzle says the statement and its parameters, Knex and MikroORM the statement and then the reason. */
function reasonIn(message: string): string {
  if (message.startsWith("Failed query:")) return "Failed query";
  if (!/^\s*(?:WITH|INSERT|SELECT|UPDATE|DELETE|CREATE|ALTER|DROP)\s/i.test(message))
    return message;
  const end = message.lastIndexOf(" - ");
  return end === -1 ? "A statement failed" : message.slice(end + 3);
}
