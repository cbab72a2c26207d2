/**
 * Where the bus writes what an operator should read. A pino logger fits as it is; nothing is
 * written when no logger is given.
 *
 * Payloads are never logged.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A {@link Logger} that writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
