export { CommitWatch } from "./commit-watch.ts";
export { deleteInParts } from "./delete-in-parts.ts";
export { Housekeeping } from "./housekeeping.ts";
export { Listener, type ListenerOptions } from "./listener.ts";
export {
  assertMigrated,
  migrate,
  type Migration,
  type Migrations,
  plainMigrations,
  prepareTables,
} from "./migrate.ts";
export {
  adapterOptions,
  checkStore,
  methodsOf,
  NEEDS_STORE,
  storeOptions,
} from "./option-checks.ts";
export { OwnWork, repeated, type TransactionSettings } from "./own-work.ts";
export { pauseAfter } from "./pause-after.ts";
export { type PositionalStatement, splitAtParameters, withQuestionMarks } from "./placeholders.ts";
export { isConflict, isPassing } from "./sql-errors.ts";
export { channelOf, jsonLiteral, quoteText, type Sql, sqlOf } from "./sql.ts";
export { fromColumn, toColumn } from "./text-column.ts";
export { assertTransaction, IN_TRANSACTION, NO_TRANSACTION } from "./transactions.ts";
export { Waker } from "./waker.ts";
