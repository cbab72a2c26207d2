/**
 * The logger of a bus. A pino logger is a `Logger`. By default the bus writes warnings and errors to the console, one
 * line each.
 *
 * The bus never logs the data of events.
 */
export interface Logger {
  /** Logs details that help to find the cause of a problem. */
  debug(fields: object, message: string): void;
  /** Logs a change that needs no action, such as a start. */
  info(fields: object, message: string): void;
  /** Logs an event that may need action, such as a failed attempt. */
  warn(fields: object, message: string): void;
  /** Logs an event that needs action, such as a dead letter. */
  error(fields: object, message: string): void;
}

/** A {@link Logger} that writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
