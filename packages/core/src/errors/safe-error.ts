import { BusbarError, type BusbarErrorCode, type EmitOutcome, isBusbarError } from "./errors.ts";
import { cut } from "./quoted.ts";
import { isError, isInstance, itemsOf, memberOf } from "./thrown.ts";

/** Causes below an error, and errors that an AggregateError holds, that are kept. */
const KEPT_CAUSES = 5;
const KEPT_ERRORS = 10;
const KEPT_MESSAGE_CHARACTERS = 2_000;
const KEPT_STACK_CHARACTERS = 4_000;
const KEPT_DETAILS_DEPTH = 4;

/** Options of {@link safeError}. */
export interface SafeErrorOptions {
  /**
   * Changes each message that is kept, for what only the caller knows to be secret, such as the parameters
   * of a statement.
   *
   * @default keeps messages as they are
   */
  readonly redact?: ((message: string) => string) | undefined;
}

/**
 * Copies what may be logged and thrown of an error: its name, message, `code` and stack, and the same of its
 * cause and of the errors that an `AggregateError` holds.
 *
 * Nothing else that the error carries is kept. Drivers put the arguments of the failed command, the parameters
 * of the statement or the options of the connection there. Passwords in URLs, text that a JSON parser quotes,
 * and arguments that Redis quotes are taken out of messages. Long messages and stacks are cut.
 *
 * The copy of a `TypeError` or a `RangeError` is one as well; the copy of a `BusbarError` keeps its `details`.
 * Idempotent, and never throws, whatever it is given.
 *
 * @example
 * ```ts
 * import { type Envelope, safeError } from "@busbar/core/provider";
 *
 * async function send(envelope: Envelope, driver: { send(bytes: string): Promise<void> }): Promise<void> {
 *   try {
 *     await driver.send(JSON.stringify(envelope));
 *   } catch (error) {
 *     throw safeError(error);
 *   }
 * }
 * ```
 */
export function safeError(thrown: unknown, options: SafeErrorOptions = {}): Error {
  try {
    return copyOf(thrown, options.redact ?? unchanged, KEPT_CAUSES);
  } catch {
    // A proxy or a getter of the error's throws.
    return new Error("An error that cannot be read");
  }
}

/** A promise that rejects as `work` does, with a {@link safeError}; so does a throw of `work`. */
export async function rejectSafely<T>(
  work: () => T | Promise<T>,
  options?: SafeErrorOptions,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw safeError(error, options);
  }
}

/** Those of an object's methods that it has: what they throw or reject with is a {@link safeError}. */
export function safeMethods<T extends object, Name extends keyof T>(
  owner: T,
  names: readonly Name[],
): Pick<T, Name> {
  const methods = names
    .filter((name) => typeof owner[name] === "function")
    .map((name) => [name, (...args: readonly unknown[]) => callSafely(owner, name, args)]);
  return Object.fromEntries(methods) as Pick<T, Name>;
}

function callSafely<T extends object>(owner: T, name: keyof T, args: readonly unknown[]): unknown {
  try {
    const result: unknown = Reflect.apply(owner[name] as () => unknown, owner, args);
    return isThenable(result) ? Promise.resolve(result).catch(throwSafely) : result;
  } catch (error) {
    throw safeError(error);
  }
}

/** The statement of a query builder is one as well, and no promise. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

function throwSafely(error: unknown): never {
  throw safeError(error);
}

type Redact = (message: string) => string;

function unchanged(message: string): string {
  return message;
}

function copyOf(thrown: unknown, redact: Redact, depth: number): Error {
  // Not only an instance of Error: those of other realms are none, and objects with a message say as much.
  const message = memberOf(thrown, "message");
  if (typeof message !== "string") return new Error(safeText(redact(textOf(thrown))));
  const [name, cause, code] = ["name", "cause", "code"].map((member) => memberOf(thrown, member));
  const title = typeof name === "string" ? name.slice(0, 100) : "Error";
  const text = safeText(redact(withoutQuotes(title, message)));
  const options =
    cause === undefined || cause === null || depth === 0
      ? undefined
      : { cause: copyOf(cause, redact, depth - 1) };
  const copy =
    depth > 0 && title === "AggregateError"
      ? new AggregateError(
          itemsOf(memberOf(thrown, "errors"), KEPT_ERRORS).map((error) =>
            copyOf(error, redact, depth - 1),
          ),
          text,
          options,
        )
      : withoutDetails(thrown, title, text, options);
  setHidden(copy, "name", title);
  setHidden(
    copy,
    "stack",
    safeStack(title, text, withoutMessage(memberOf(thrown, "stack"), message)),
  );
  if (!(copy instanceof BusbarError) && isCode(code)) Object.assign(copy, { code });
  return copy;
}

function withoutDetails(
  thrown: unknown,
  name: string,
  text: string,
  options: ErrorOptions | undefined,
): Error {
  const code = memberOf(thrown, "code");
  if (name === "BusbarError" && typeof code === "string") {
    const details = safeDetails(memberOf(thrown, "details"), KEPT_DETAILS_DEPTH);
    return new BusbarError(code as BusbarErrorCode, text, details as never, options);
  }
  const type = [TypeError, RangeError].find((known) => isInstance(thrown, known)) ?? Error;
  return new type(text, options);
}

/** Details are ours; the errors in them are not. */
function safeDetails(value: unknown, depth: number): unknown {
  if (isError(value)) return safeError(value);
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => safeDetails(item, depth - 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, safeDetails(member, depth - 1)]),
  );
}

/** What was thrown and is no error may be anything, a payload as well. */
function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  return typeof thrown === "object" && thrown !== null
    ? `Not an error but ${Object.prototype.toString.call(thrown)}`
    : `Not an error but a value of the type ${typeof thrown}`;
}

/** A JSON parser quotes the text around the place where it failed. */
function withoutQuotes(name: string, message: string): string {
  if (name !== "SyntaxError" || !message.includes("JSON")) return message;
  return message.replaceAll(/"[^]*"/g, "…").replaceAll(/'[^]'/g, "…");
}

/** Cuts what messages of drivers are known to quote, and what is too long. */
export function safeText(message: string): string {
  // Looked at in full it could be megabytes of a statement.
  const start = message.slice(0, 2 * KEPT_MESSAGE_CHARACTERS);
  const safe = start
    .replace(/, with args beginning with: [^]*/, "")
    .replaceAll(/\b([a-z][a-z\d+.-]*:\/\/)[^\s"'`]*@/gi, "$1…@")
    .replaceAll(/([?&](?:password|passwd|pwd|pass|secret|token|auth)=)[^&\s"'`]+/gi, "$1…");
  return cut(safe, KEPT_MESSAGE_CHARACTERS);
}

/** The first lines of a stack repeat the message; one of its lines may look like a frame. */
function withoutMessage(stack: unknown, message: string): string {
  if (typeof stack !== "string") return "";
  const start = stack.indexOf(message);
  return start === -1 ? stack : stack.slice(start + message.length);
}

/** The stack's frames below a header of our own. */
function safeStack(name: string, message: string, stack: string): string {
  const header = message === "" ? name : `${name}: ${message}`;
  const frames = stack
    .slice(0, 2 * KEPT_STACK_CHARACTERS)
    .split("\n")
    .filter((line) => /^\s+at /.test(line));
  return [header, ...frames].join("\n").slice(0, header.length + KEPT_STACK_CHARACTERS);
}

function isCode(code: unknown): code is string | number {
  return typeof code === "number" || (typeof code === "string" && /^[\w.-]{1,64}$/.test(code));
}

function setHidden(error: Error, member: "name" | "stack", value: string): void {
  Object.defineProperty(error, member, { value, configurable: true, writable: true });
}

/** Codes of what an event itself is refused for, whatever is published with it. */
const LASTING: ReadonlySet<string> = new Set([
  "BUSBAR_INVALID_MESSAGE",
  "BUSBAR_INVALID_EVENT",
  "BUSBAR_UNSUPPORTED",
]);

/**
 * Whether a publish that failed with an error would fail with it again: the event is refused for what it is, or
 * the provider says so (`details.retryable`), or threw a `RangeError`, as for what is too large.
 *
 * Not a `TypeError`: a `fetch` without a network throws one.
 */
export function isLastingError(error: unknown): boolean {
  if (!isBusbarError(error)) return isInstance(error, RangeError);
  if (error.code === "BUSBAR_UNAVAILABLE") {
    return memberOf(error.details, "retryable") === false;
  }
  return LASTING.has(error.code);
}

/** Wraps what a provider threw, once, without what must not be shown; errors of ours are not wrapped. */
export function unavailable(
  provider: string,
  what: string,
  cause: unknown,
  outcome?: Partial<EmitOutcome>,
): unknown {
  const safe = safeError(cause);
  if (isBusbarError(safe)) return safe;
  return new BusbarError(
    "BUSBAR_UNAVAILABLE",
    `${what}: ${safe.message}`,
    { provider, ...(isLastingError(cause) && { retryable: false }), ...outcome },
    { cause: safe },
  );
}
