import type { Logger } from "./contracts/logger.ts";
import { cut, escapeControls } from "./quoted.ts";
import { safeError } from "./safe-error.ts";

const KEPT_MESSAGE_CHARACTERS = 2_000;

/**
 * A logger through which nothing passes that must not be logged: errors are replaced by {@link safeError},
 * and a message has one line, of bounded length. All that the bus, its provider and its plugins log passes
 * through one.
 */
export function safeLogger(logger: Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(safeFields(fields), safeMessage(message)),
    info: (fields, message) => logger.info(safeFields(fields), safeMessage(message)),
    warn: (fields, message) => logger.warn(safeFields(fields), safeMessage(message)),
    error: (fields, message) => logger.error(safeFields(fields), safeMessage(message)),
  };
}

function safeFields(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      safeField(name, value),
    ]),
  );
}

/** `err` holds what was thrown, which need not be an error. */
function safeField(name: string, value: unknown): unknown {
  return value instanceof Error || (name === "err" && value !== undefined)
    ? safeError(value)
    : value;
}

function safeMessage(message: string): string {
  return escapeControls(cut(message, KEPT_MESSAGE_CHARACTERS));
}
