import type { JsonObject, JsonValue } from "../contracts/json.ts";
import type { Issue } from "../errors.ts";

/** Deeper than any payload that is meant; shallow enough for the stack. */
const MAX_DEPTH = 500;

class NotJson extends Error {}

/** The path to where it is would be longer than it helps. */
class TooDeep extends NotJson {}

/** Where a walk is: the path to it, and the objects on that path. */
interface Walk {
  readonly segments: string[];
  readonly ancestors: object[];
}

/**
 * Copies a value as JSON would carry it: `toJSON` is honoured, undefined members are dropped.
 *
 * Adds an {@link Issue} with its path instead, and gives null, when something in it cannot be carried: a
 * function, a symbol, a BigInt, a number that is not finite, a Map, Set or promise, a cycle.
 *
 * @param at Where the value's member is, such as `[2].`; put together with it only when needed.
 */
export function copyAsJson(value: unknown, at: string, member: string, issues: Issue[]): JsonValue {
  try {
    return copy(value, 0, undefined);
  } catch (error) {
    issues.push(explain(value, at + member, error));
    return null;
  }
}

function explain(value: unknown, path: string, error: unknown): Issue {
  if (!(error instanceof NotJson)) {
    // A getter or toJSON of the caller's that throws.
    const reason = error instanceof Error ? error.message : String(error);
    return { path, reason: `cannot be read: ${reason}` };
  }
  // Places are kept on this second walk only: the first is the hot one.
  const walk: Walk = { segments: [], ancestors: [] };
  try {
    copy(value, 0, walk);
  } catch (found) {
    const segments = found instanceof TooDeep ? [] : walk.segments;
    return { path: joinPath(path, segments), reason: (found as Error).message };
  }
  return { path, reason: "changes while it is read" };
}

/** Copies a value that is JSON already, so that a handler may do with it what it likes. */
export function cloneJson<T extends JsonValue | undefined>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson) as unknown as T;
  // Spread first, because engines are at their best with it, and then what is nested.
  return cloneNested({ ...(value as object) }) as T;
}

/** Makes a clone of what is nested in a shallow clone of JSON, and gives the shallow one back. */
export function cloneNested<T extends Record<string, unknown>>(shallow: T): T {
  const clone: Record<string, unknown> = shallow;
  for (const key in clone) {
    const member = clone[key];
    if (typeof member !== "object" || member === null || !isOwn(clone, key)) continue;
    setMember(clone, key, cloneJson(member as JsonValue));
  }
  return shallow;
}

function copy(input: unknown, depth: number, walk: Walk | undefined): JsonValue {
  switch (typeof input) {
    case "string":
    case "boolean":
      return input;
    case "number":
      if (Number.isFinite(input)) return input;
      throw new NotJson(`${input} is not JSON`);
    case "object":
      if (input === null) return null;
      break;
    case "undefined":
      throw new NotJson("undefined is not JSON; use null");
    case "bigint":
      throw new NotJson("a BigInt is not JSON; use a string");
    default:
      throw new NotJson(`a ${typeof input} is not JSON`);
  }
  if (depth >= MAX_DEPTH) {
    throw new TooDeep(`is nested more than ${MAX_DEPTH} levels deep`);
  }
  const { toJSON } = input as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") {
    const json: unknown = toJSON.call(input, walk?.segments.at(-1) ?? "");
    return copy(json, depth + 1, walk);
  }
  if (walk?.ancestors.includes(input)) throw new NotJson("is a cycle: it holds itself");
  walk?.ancestors.push(input);
  const json = Array.isArray(input)
    ? copyArray(input, depth, walk)
    : copyObject(input, depth, walk);
  walk?.ancestors.pop();
  return json;
}

function copyArray(input: unknown[], depth: number, walk: Walk | undefined): JsonValue {
  const { length } = input;
  // Of its length from the start: one that grows makes room for seventeen with the first item.
  // oxlint-disable-next-line unicorn/no-new-array
  const result = new Array<JsonValue>(length);
  for (let index = 0; index < length; index += 1) {
    const item = input[index];
    walk?.segments.push(`[${index}]`);
    // As JSON.stringify has it: an array keeps its length.
    result[index] = item === undefined ? null : copy(item, depth + 1, walk);
    walk?.segments.pop();
  }
  return result;
}

function copyObject(input: object, depth: number, walk: Walk | undefined): JsonValue {
  const prototype: unknown = Object.getPrototypeOf(input);
  if (prototype !== Object.prototype && prototype !== null) {
    const lossy = lossyName(input);
    if (lossy !== undefined) throw new NotJson(`${lossy} is not JSON`);
    if (isBoxed(input)) return copy(input.valueOf(), depth + 1, walk);
  }
  return copyMembers(input as Record<string, unknown>, depth, walk);
}

function copyMembers(
  source: Record<string, unknown>,
  depth: number,
  walk: Walk | undefined,
): JsonObject {
  const result: Record<string, JsonValue> = {};
  // The way to own members with string keys that engines are best at, whatever the shape.
  for (const key in source) {
    if (!isOwn(source, key)) continue;
    const member = source[key];
    if (typeof member === "string") setMember(result, key, member);
    else if (member !== undefined) {
      walk?.segments.push(key);
      setMember(result, key, copy(member, depth + 1, walk));
      walk?.segments.pop();
    }
  }
  return result;
}

/** Unlike `Object.hasOwn`, this costs nothing in a loop over members. */
export function isOwn(object: object, key: string): boolean {
  return Object.prototype.hasOwnProperty.call(object, key);
}

/** What JSON would make an empty object of without a word. */
function lossyName(input: object): string | undefined {
  if (input instanceof Map) return "a Map";
  if (input instanceof Set) return "a Set";
  if (input instanceof WeakMap || input instanceof WeakSet) return "a weak collection";
  if (input instanceof Promise) return "a Promise (is an await missing?)";
  return undefined;
}

function isBoxed(input: object): boolean {
  return (
    input instanceof Number ||
    input instanceof String ||
    input instanceof Boolean ||
    input instanceof BigInt
  );
}

/** Sets a member, also one that is named `__proto__`. */
export function setMember<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === "__proto__") {
    // Assigning would set the prototype and lose the member.
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else {
    target[key] = value;
  }
}

function joinPath(path: string, segments: readonly string[]): string {
  return segments.reduce(
    (joined, segment) =>
      segment.startsWith("[") || joined === "" ? joined + segment : `${joined}.${segment}`,
    path,
  );
}
