import type { Logger } from "../contract/logger.ts";
import { cut, escapeControls } from "./quoted.ts";
import { safeError } from "./safe-error.ts";
import { isError } from "./thrown.ts";

const KEPT_MESSAGE_CHARACTERS = 2_000;

/**
 * A logger through which nothing passes that must not be logged: errors are replaced by {@link safeError},
 * and a message has one line, of bounded length. It never throws, even if the logger does. All that the bus, its provider and its plugins log passes
 * through one.
 */
export function safeLogger(logger: Logger): Logger {
  const write =
    (level: keyof Logger): Logger["info"] =>
    (fields, message) => {
      try {
        logger[level](safeFields(fields), safeMessage(message));
      } catch {
        // A logger that fails has nobody to tell, and what is logged of is more important.
      }
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
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
  return isError(value) || (name === "err" && value !== undefined) ? safeError(value) : value;
}

function safeMessage(message: string): string {
  return escapeControls(cut(message, KEPT_MESSAGE_CHARACTERS));
}
