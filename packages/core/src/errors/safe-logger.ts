import { type Logger, silentLogger } from "../contract/logger.ts";
import { cut, escapeControls } from "./quoted.ts";
import { safeError } from "./safe-error.ts";
import { isError, itemsOf, memberOf, messageOf } from "./thrown.ts";

const KEPT_MESSAGE_CHARACTERS = 2_000;
const KEPT_ERROR_CHARACTERS = 500;
const KEPT_CAUSES = 3;
const KEPT_FIELD_CHARACTERS = 200;
const KEPT_ITEMS = 10;

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

/** Returns the logger for what a user gives as `logger`: the console for nothing, silence for `false`. */
export function loggerFor(option: Logger | false | undefined): Logger {
  return option === undefined ? safeLogger(consoleLogger) : option || silentLogger;
}

/**
 * Writes warnings and errors to the console, each on one line, and nothing else. Of the fields, the line has what
 * `err` says, and texts, numbers and booleans that the message does not have; never an object, which might be a
 * payload.
 *
 * The only place in the packages that uses the console.
 */
const consoleLogger: Logger = {
  debug() {},
  info() {},
  // oxlint-disable-next-line no-console
  warn: (fields, message) => console.warn(lineOf("warning", fields, message)),
  // oxlint-disable-next-line no-console
  error: (fields, message) => console.error(lineOf("error", fields, message)),
};

function lineOf(level: string, fields: object, message: string): string {
  const { err, ...others } = fields as { readonly err?: unknown };
  const said = err === undefined ? "" : errorTextBeside(message, err);
  const values = Object.entries(others).flatMap(([name, value]) => {
    const text = fieldText(value);
    const isSaid = typeof value === "string" && message.includes(value);
    return text === undefined || isSaid ? [] : [`${name}=${text}`];
  });
  const rest = values.length > 0 ? ` (${values.join(" ")})` : "";
  return escapeControls(`busbar ${level}: ${message}${said}${rest}`);
}

/** An error and its causes, without those that the message, or the one before, has quoted already. */
function errorTextBeside(message: string, err: unknown): string {
  let text = "";
  let at: unknown = err;
  for (let depth = 0; depth < KEPT_CAUSES && at !== undefined && at !== null; depth += 1) {
    const said = errorText(at);
    if (!message.includes(said.message) && !text.includes(said.message)) {
      text += `: ${cut(said.title, KEPT_ERROR_CHARACTERS)}`;
    }
    at = memberOf(at, "cause");
  }
  const place = frameOf(err);
  return place === undefined ? text : `${text} at ${place}`;
}

interface ErrorText {
  readonly message: string;
  /** The message behind the name of the error, which says nothing where it is `Error`. */
  readonly title: string;
}

function errorText(error: unknown): ErrorText {
  if (!isError(error)) return { message: messageOf(error), title: messageOf(error) };
  const message = [
    messageOf(error),
    // A connection that failed on every address of its host has no message of its own.
    ...itemsOf(memberOf(error, "errors"), 1).map(messageOf),
    memberOf(error, "code"),
  ].find((text) => typeof text === "string" && text !== "");
  const name = memberOf(error, "name");
  const text = typeof message === "string" ? message : String(name);
  return { message: text, title: name === "Error" ? text : `${String(name)}: ${text}` };
}

/** Where an error was thrown, if that is code of the application. */
function frameOf(error: unknown): string | undefined {
  const stack = memberOf(error, "stack");
  if (typeof stack !== "string") return undefined;
  const first = stack.split("\n").find((line) => /^\s+at /.test(line));
  const place = /\(?((?:file:\/\/|[/A-Z])[^()\s]*:\d+:\d+)\)?$/i.exec(first ?? "")?.[1];
  return place === undefined || /node_modules|^node:/.test(place) ? undefined : place;
}

/** A value as a line has it; undefined for an object, which is left out. */
function fieldText(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    const text = cut(value, KEPT_FIELD_CHARACTERS);
    return /^[^\s"()=]+$/.test(text) ? text : JSON.stringify(text);
  }
  if (!Array.isArray(value)) return undefined;
  const items = itemsOf(value, KEPT_ITEMS).map(fieldText);
  return items.includes(undefined) ? undefined : items.join(",");
}
