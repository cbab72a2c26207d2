/**
 * Where the bus writes what an operator should read. A pino logger fits as it is. Without a logger, warnings and
 * errors go to the console, one line each.
 *
 * Payloads are never logged.
 */
export interface Logger {
  /** Writes what only matters when something is being searched. */
  debug(fields: object, message: string): void;
  /** Writes what is worth knowing and needs no action. */
  info(fields: object, message: string): void;
  /** Writes what may need action, such as an attempt that failed. */
  warn(fields: object, message: string): void;
  /** Writes what needs action, such as a delivery that is dead. */
  error(fields: object, message: string): void;
}

/** A {@link Logger} that writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
