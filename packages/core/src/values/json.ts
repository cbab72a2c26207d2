import * as types from "node:util/types";

import type { Issue } from "../contract/issue.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";
import { cut } from "../errors/quoted.ts";
import { safeError } from "../errors/safe-error.ts";

/** Deeper than any payload that is meant; shallow enough for the stack. */
const MAX_DEPTH = 500;
/** Characters of a path in an issue: names of members may be of any length. */
const PATH_CHARACTERS = 300;
/** UTF-8 bytes of JSON that one UTF-16 unit takes at most: a control character as an escape. */
const BYTES_PER_UNIT = 6;
/** At most, with the comma behind it: `-1.2345678901234567e-100,`. */
const BYTES_PER_NUMBER = 25;
/** Quotes and a comma, brackets and a comma, `false,`. */
const BYTES_AROUND = 6;
/** The bound is at most that many times the true size: `1,` in an array counts as 31 bytes. */
const BOUND_PER_BYTE = 16;
/** A walk gives up that far above the limit: what is below it is counted, for a message with the size. */
const GIVE_UP_FACTOR = 64;
/** Names of members that are not checked again, and how long they may be. */
const REMEMBERED_NAMES = 64;
const REMEMBERED_LENGTH = 100;

class NotJson extends Error {}

/** The path to where it is would be longer than it helps. */
class TooDeep extends NotJson {}

/** What is too large is the whole. */
class TooLarge extends NotJson {}

/** Where a walk is: the path to it, and the objects on that path. */
interface Place {
  readonly segments: string[];
  readonly ancestors: object[];
}

/**
 * Copies a value as JSON would carry it: `toJSON` is honoured, undefined members are dropped, `-0` is 0.
 *
 * Adds an {@link Issue} with its path instead, and gives null, when something in it cannot be carried whole: a
 * function, a symbol, a BigInt, a number that is not finite, text with half of a surrogate pair, an object
 * whose content JSON does not see, a cycle.
 *
 * @param at Where the value's member is, such as `[2].`; put together with it only when needed.
 */
export function copyAsJson(
  value: unknown,
  at: string,
  member: string,
  issues: Issue[],
  walk: JsonWalk,
): JsonValue {
  try {
    return copyRoot(value, walk);
  } catch (error) {
    issues.push(explain(value, at + member, error, walk));
    return null;
  }
}

function copyRoot(value: unknown, walk: JsonWalk): JsonValue {
  walk.depth = 0;
  const json = copy(value, "", walk);
  if (json === undefined) throw new NotJson("undefined is not JSON; use null");
  return json;
}

function explain(value: unknown, path: string, error: unknown, walk: JsonWalk): Issue {
  // Places are kept on this second walk only: the first is the hot one.
  const place: Place = { segments: [], ancestors: [] };
  const second = new JsonWalk(walk.maxBytes);
  second.place = place;
  try {
    copyRoot(value, second);
  } catch (found) {
    const isKnown = isNotJson(found);
    const isWhole = isKnown && (found instanceof TooDeep || found instanceof TooLarge);
    return {
      path: joinPath(path, isWhole ? [] : place.segments),
      // Else a getter or toJSON of the caller's that throws.
      reason: isKnown ? found.message : `cannot be read: ${safeError(found).message}`,
    };
  }
  if (!isNotJson(error)) return { path, reason: `cannot be read: ${safeError(error).message}` };
  return { path, reason: "changes while it is read" };
}

function isNotJson(error: unknown): error is NotJson {
  // What the caller's code has thrown may be a proxy whose traps throw.
  return !types.isProxy(error) && error instanceof NotJson;
}

/** Undefined where JSON has nothing: then a member is dropped. */
function copy(input: unknown, key: string | number, walk: JsonWalk): JsonValue | undefined {
  switch (typeof input) {
    case "string":
      if (!input.isWellFormed()) throw illFormed();
      walk.bound += input.length * BYTES_PER_UNIT + BYTES_AROUND;
      return input;
    case "boolean":
      walk.bound += BYTES_AROUND;
      return input;
    case "number":
      if (!Number.isFinite(input)) throw new NotJson(`${input} is not JSON`);
      walk.bound += BYTES_PER_NUMBER;
      // JSON has no -0.
      return input + 0;
    case "object":
      if (input !== null) return copyReference(input, key, walk);
      walk.bound += BYTES_AROUND;
      return null;
    case "undefined":
      return undefined;
    case "bigint":
      return copyBigInt(input, key, walk);
    default:
      throw new NotJson(`a ${typeof input} is not JSON`);
  }
}

function copyBigInt(input: bigint, key: string | number, walk: JsonWalk): JsonValue | undefined {
  const { toJSON } = input as { readonly toJSON?: unknown };
  const json: unknown = typeof toJSON === "function" ? toJSON.call(input, String(key)) : input;
  if (typeof json === "bigint") throw new NotJson("a BigInt is not JSON; use a string");
  return copy(json, key, walk);
}

function copyReference(input: object, key: string | number, walk: JsonWalk): JsonValue | undefined {
  if (walk.depth >= MAX_DEPTH) {
    throw new TooDeep(`is nested more than ${MAX_DEPTH} levels deep`);
  }
  walk.depth += 1;
  const { toJSON } = input as { readonly toJSON?: unknown };
  // As JSON.stringify has it: the answer is not asked for its own toJSON, which may well be the same one.
  const content =
    typeof toJSON === "function" ? ownJson(input, toJSON.call(input, String(key))) : input;
  const json =
    typeof content === "object" && content !== null
      ? copyContent(content, key, walk)
      : copy(content, key, walk);
  walk.depth -= 1;
  return json;
}

/** What an object's toJSON has answered. */
function ownJson(input: object, json: unknown): unknown {
  if (json === null && types.isDate(input)) throw new NotJson("an invalid Date is not JSON");
  return json;
}

function copyContent(input: object, key: string | number, walk: JsonWalk): JsonValue | undefined {
  const { place } = walk;
  if (place?.ancestors.includes(input)) throw new NotJson("is a cycle: it holds itself");
  walk.bound += BYTES_AROUND;
  if (walk.isFarAbove) throw new TooLarge(walk.reason(walk.atLeast, "at least "));
  place?.ancestors.push(input);
  const json = Array.isArray(input) ? copyArray(input, walk) : copyObject(input, key, walk);
  place?.ancestors.pop();
  return json;
}

function copyArray(input: unknown[], walk: JsonWalk): JsonValue {
  const { length } = input;
  const { place } = walk;
  // Each item takes a character and a comma. Also for a sparse one, whose holes would be made nulls.
  if (length * 2 > walk.maxBytes) throw new TooLarge(walk.reason(length * 2, "at least "));
  // Of its length from the start: one that grows makes room for seventeen with the first item.
  // oxlint-disable-next-line unicorn/no-new-array
  const result = new Array<JsonValue>(length);
  for (let index = 0; index < length; index += 1) {
    place?.segments.push(`[${index}]`);
    // As JSON.stringify has it: an array keeps its length.
    result[index] = copy(input[index], index, walk) ?? null;
    place?.segments.pop();
  }
  walk.bound += length * BYTES_AROUND;
  return result;
}

function copyObject(input: object, key: string | number, walk: JsonWalk): JsonValue | undefined {
  const isPlain = isPlainPrototype(Object.getPrototypeOf(input));
  if (!isPlain) {
    if (types.isBoxedPrimitive(input)) return copy(input.valueOf(), key, walk);
    const lossy = lossyName(input);
    if (lossy !== undefined) throw new NotJson(`${lossy} is not JSON`);
  }
  return copyMembers(input as Record<string, unknown>, isPlain, walk);
}

function copyMembers(
  source: Record<string, unknown>,
  isPlain: boolean,
  walk: JsonWalk,
): JsonObject {
  const { place } = walk;
  const result: Record<string, JsonValue> = {};
  let isEmpty = true;
  let units = 0;
  // The way to own members with string keys that engines are best at, whatever the shape.
  for (const key in source) {
    if (!isOwn(source, key)) continue;
    isEmpty = false;
    const member = source[key];
    if (member === undefined) continue;
    if (!walk.isWellFormed(key)) throw illFormed("the name of a member");
    units += key.length + 1;
    if (typeof member === "string" && member.isWellFormed()) {
      units += member.length + 1;
      setMember(result, key, member);
    } else if (typeof member !== "function" || key !== "toJSON") {
      // One that has a toJSON of its own was asked, and answered with itself: that it may be asked is no data.
      place?.segments.push(key);
      const json = copy(member, key, walk);
      if (json !== undefined) setMember(result, key, json);
      place?.segments.pop();
    }
  }
  walk.bound += units * BYTES_PER_UNIT;
  if (isEmpty) assertNothingLost(source, isPlain);
  return result;
}

function illFormed(what = "text"): NotJson {
  return new NotJson(`${what} has half of a surrogate pair, which is no character`);
}

/** An object without members that JSON sees must have none at all. */
function assertNothingLost(source: object, isPlain: boolean): void {
  if (!isPlain) {
    const name = Object.prototype.toString.call(source).slice("[object ".length, -1);
    const kind =
      name === "Object" ? "an object of a class" : `a value of the kind ${cut(name, 50)}`;
    throw new NotJson(
      `${kind} that has no members of its own would be empty as JSON; give it a toJSON, or emit its content`,
    );
  }
  const isHidden = Object.getOwnPropertySymbols(source).some((symbol) =>
    Object.prototype.propertyIsEnumerable.call(source, symbol),
  );
  if (isHidden) throw new NotJson("has its members under symbols, which JSON leaves out");
}

/** Whether it is the prototype of objects that are nothing but their members; also in another realm. */
function isPlainPrototype(prototype: object | null): boolean {
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && isOwn(prototype, "isPrototypeOf");
}

/** What JSON would carry without its content, whatever members it may have beside it. */
function lossyName(input: object): string | undefined {
  if (types.isMap(input)) return "a Map";
  if (types.isSet(input)) return "a Set";
  if (types.isWeakMap(input) || types.isWeakSet(input)) return "a weak collection";
  if (types.isPromise(input)) return "a Promise (is an await missing?)";
  if (types.isNativeError(input) || input instanceof Error) {
    return "an Error (JSON leaves its message out)";
  }
  if (types.isRegExp(input)) return "a RegExp";
  if (types.isAnyArrayBuffer(input) || ArrayBuffer.isView(input)) {
    return "binary data (text, such as base64, would be)";
  }
  return undefined;
}

function joinPath(path: string, segments: readonly string[]): string {
  const joined = segments.reduce(
    (before, segment) =>
      segment.startsWith("[") || before === "" ? before + segment : `${before}.${segment}`,
    path,
  );
  return cut(joined, PATH_CHARACTERS).toWellFormed();
}

/**
 * A walk over all that an event carries. It bounds the size of what is copied, as UTF-8 bytes of JSON: a bound costs
 * next to nothing in the walk that copies; only where it is above the limit is it worth counting.
 */
export class JsonWalk {
  readonly maxBytes: number;
  /** At least as much as all that was copied has. */
  bound = 0;
  /** The objects around what is copied at the moment. */
  depth = 0;
  /** Kept where an issue needs it. */
  place: Place | undefined = undefined;
  /** Names of members that are well-formed, at their places in the walks before. */
  readonly #names: string[];
  #nextName = 0;

  /** @param names The same array for walks over data that may look alike: what it holds is the walks' own. */
  constructor(maxBytes: number, names: string[] = []) {
    this.maxBytes = maxBytes;
    this.#names = names;
  }

  /**
   * Whether a name is well-formed text. Most events look like the one before, so that each of their names is known
   * to be so: comparing it with the one at its place takes a fifth of the time of the check.
   */
  isWellFormed(name: string): boolean {
    const at = this.#nextName++ % REMEMBERED_NAMES;
    if (this.#names[at] === name) return true;
    if (!name.isWellFormed()) return false;
    if (name.length <= REMEMBERED_LENGTH) this.#names[at] = name;
    return true;
  }

  /** Whether there is no need to copy, nor to count, the rest. */
  get isFarAbove(): boolean {
    return this.bound > this.maxBytes * GIVE_UP_FACTOR;
  }

  /** What was copied has no fewer bytes. */
  get atLeast(): number {
    return Math.floor(this.bound / BOUND_PER_BYTE);
  }

  /** Adds an issue when data and what comes with it have more bytes than the limit. */
  check(data: JsonValue, others: JsonValue | undefined, at: string, issues: Issue[]): void {
    if (this.bound <= this.maxBytes) return;
    const bytes = jsonBytes(data);
    if (bytes > this.maxBytes) {
      issues.push({ path: `${at}data`, reason: this.reason(bytes) });
      return;
    }
    const all = others === undefined ? bytes : bytes + jsonBytes(others);
    if (all <= this.maxBytes) return;
    issues.push({ path: `${at}metadata`, reason: `with data ${this.reason(all)}` });
  }

  reason(bytes: number, about = ""): string {
    return `has ${about}${bytes} bytes as JSON, and maxPayloadBytes is ${this.maxBytes}`;
  }
}

function jsonBytes(value: JsonValue): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    // Longer than any string can be.
    return Number.POSITIVE_INFINITY;
  }
}

/** Copies a value that is JSON already, so that a handler may do with it what it likes. */
export function cloneJson<T extends JsonValue | undefined>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson) as unknown as T;
  // Spread first, because engines are at their best with it, and then what is nested.
  const clone: Record<string, unknown> = { ...(value as object) };
  for (const key in clone) {
    const member = clone[key];
    if (typeof member !== "object" || member === null || !isOwn(clone, key)) continue;
    setMember(clone, key, cloneJson(member as JsonValue));
  }
  return clone as T;
}

/** Unlike `Object.hasOwn`, this costs nothing in a loop over members. */
export function isOwn(object: object, key: string): boolean {
  return Object.prototype.hasOwnProperty.call(object, key);
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
