import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { randomFillSync } from "node:crypto";
import { EVENT_NAME } from "../order.ts";
import type { OpenBus, OpenOptions } from "./emit-contestants.ts";

type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
type Metadata = { created_at: number; published_at: number; correlationId: string };
type Envelope = { id: string; name: string; data: Json; metadata: Metadata };
type Run = { envelope: Envelope; subscriberId: string };
type Handler = (event: object, run: Run) => void | Promise<void>;

const [SLOTS, MAX_TEXT, MAX_DEPTH] = [10, 1_048_576, 500];
const resolved = Promise.resolve();
const current = new AsyncLocalStorage<Run>();
const hasContextFrames = Number.parseInt(process.versions.node, 10) >= 24;

/** Makes the queue of one subscription, and gives what puts an envelope in it. */
function createQueue(subscriberId: string, handler: Handler): (envelope: Envelope) => void {
  const dead: { envelope: Envelope; error: unknown }[] = [];
  let [waiting, next, running, isScheduled]: [Envelope[], number, number, boolean] = [
    [],
    0,
    0,
    false,
  ];
  const schedule = (): void => {
    if (isScheduled || running === SLOTS || next === waiting.length) return;
    isScheduled = true;
    void resolved.then(handOver);
  };
  const handOver = (): void => {
    isScheduled = false;
    while (running < SLOTS && next < waiting.length) run(waiting[next++] as Envelope);
    if (next === waiting.length) [waiting, next] = [[], 0];
  };
  const run = (envelope: Envelope): void => {
    running += 1;
    const fail = (error: unknown): void => {
      dead.push({ envelope, error });
      end();
    };
    try {
      const work = within({ envelope, subscriberId }, handler);
      if (work) void work.then(end, fail);
      else end();
    } catch (error) {
      fail(error);
    }
  };
  const end = (): void => {
    running -= 1;
    schedule();
  };
  return (envelope) => {
    waiting.push(envelope);
    schedule();
  };
}

/** Calls a handler with its context, in the way that is the faster one on this Node. */
function within(run: Run, handler: Handler): void | Promise<void> {
  const { id, name, data, metadata } = run.envelope;
  const created_at = new Date(metadata.created_at);
  const published_at = new Date(metadata.published_at);
  const event = {
    id,
    name,
    data: clone(data),
    metadata: { ...metadata, created_at, published_at },
  };
  if (!hasContextFrames) return current.run(run, handler, event, run);
  return new AsyncResource("Run").runInAsyncScope(enter, undefined, handler, event, run);
}

function enter(handler: Handler, event: object, run: Run): void | Promise<void> {
  current.enterWith(run);
  return handler(event, run);
}

/** What JSON makes of a value. Throws where JSON would lose something, and where it is too much. */
function copy(input: unknown, size: { text: number }, depth: number): Json | undefined {
  if (typeof input === "string" && input.isWellFormed()) {
    if ((size.text += input.length) <= MAX_TEXT) return input;
  }
  if (typeof input === "number" && Number.isFinite(input)) return input + 0;
  if (typeof input === "boolean" || input === undefined || input === null) return input;
  if (typeof input !== "object" || depth > MAX_DEPTH) throw new TypeError("Not JSON");
  const { toJSON } = input as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") return copy(toJSON.call(input), size, depth + 1);
  if (Array.isArray(input)) return input.map((item) => copy(item, size, depth + 1) ?? null);
  if (Object.getPrototypeOf(input) !== Object.prototype) throw new TypeError("Not JSON");
  const result: { [member: string]: Json } = {};
  for (const key in input) {
    const member = copy((input as Record<string, unknown>)[key], size, depth + 1);
    if (member !== undefined && Object.hasOwn(input, key)) result[key] = member;
  }
  return result;
}

function clone(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(clone);
  const result = { ...value };
  for (const key in result) {
    const member = result[key];
    if (typeof member === "object" && member !== null) result[key] = clone(member);
  }
  return result;
}

/** UUIDv7: the time, then random digits, drawn for 256 ids at once. */
function createIds(): (now: number) => string {
  let [digits, prefix, time, at] = ["", "", 0, 0];
  return (now) => {
    const hex = now === time ? "" : now.toString(16).padStart(12, "0");
    if (hex) [time, prefix] = [now, `${hex.slice(0, 8)}-${hex.slice(8)}-7`];
    if (at === digits.length)
      [digits, at] = [randomFillSync(Buffer.alloc(2_560)).toString("hex"), 0];
    const random = digits.slice(at + 1, (at += 20));
    const variant = "89ab"[digits.charCodeAt(at - 20) & 3];
    return `${prefix}${random.slice(0, 3)}-${variant}${random.slice(3, 6)}-${random.slice(6, 18)}`;
  };
}

/** Keeps the promises about an event in one process that Busbar keeps, and does nothing else. */
export function openFloor({ handlers, manyCount, dataAt }: OpenOptions): OpenBus {
  const queues = handlers.map((handler, index) => createQueue(`subscriber-${index}`, handler));
  const byName = new Map([[EVENT_NAME, queues]]);
  const nextId = createIds();
  const emit = async (messages: readonly { name: string; data: unknown }[]) => {
    const now = Date.now();
    const cause = current.getStore()?.envelope.metadata.correlationId;
    const envelopes = messages.map(({ name, data }): Envelope => {
      const id = nextId(now);
      const metadata = { created_at: now, published_at: now, correlationId: cause ?? id };
      return { id, name, data: copy(data, { text: 0 }, 0) ?? null, metadata };
    });
    for (const envelope of envelopes) byName.get(envelope.name)?.forEach((push) => push(envelope));
    return envelopes.map(({ id }) => id);
  };
  const many = Array.from({ length: manyCount }, (_, at) => ({
    name: EVENT_NAME,
    data: dataAt(at),
  }));
  const emitOne = (index: number) => emit([{ name: EVENT_NAME, data: dataAt(index) }]);
  return { emitOne, emitMany: () => emit(many) };
}
