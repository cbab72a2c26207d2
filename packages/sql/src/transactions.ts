/**
 * Whether a statement of PostgreSQL without parameters is part of a transaction that began before. Such a
 * statement is a message of its own, and where it is the whole transaction, the times of both are the same.
 * With parameters a statement has several messages, and the times differ.
 */
export const IN_TRANSACTION = "now() <> statement_timestamp()";

/** What a caller has done wrong who gives what is no open transaction. */
export const NO_TRANSACTION =
  "No transaction is open, and nothing was written: begin one, give what it runs on to withTransaction(), and await emit() before its end";

/**
 * Passes while a transaction is open.
 *
 * @param found What was given instead, such as "a pool".
 */
export function assertTransaction(isOpen: boolean, found: string): void {
  if (isOpen) return;
  throw new TypeError(`withTransaction() got ${found}. ${NO_TRANSACTION}`);
}
