import type { EmitOptions, EventMessage, EventMetadata } from "../contract/event.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";
import type { EnvelopeMetadata, EnvelopePolicy } from "../contract/provider.ts";
import type { Issue } from "../contract/issue.ts";
import { BusbarError } from "../errors/errors.ts";
import { listed, quoted } from "../errors/quoted.ts";
import { didYouMean, textIssue } from "../values/arguments.ts";
import {
  CausationDepth,
  type CausationDepthOptions,
  type CurrentRun,
} from "../causality/causality.ts";
import { checkEmitOptions, mergeEmitOptions, priorityNumber } from "./emit-options.ts";
import { createEventIds } from "./event-ids.ts";
import { createNameCheck, nameOf } from "../values/event-names.ts";
import { copyAsJson, isOwn, JsonWalk } from "../values/json.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

const MAY_BE_BY_DEFAULT = ["attempts", "backoff"] as const;
const MAX_ID_LENGTH = 255;
const MESSAGE_MEMBERS = ["name", "data", "id", "metadata", "options"];

/** What an {@link EnvelopeFactory} needs. */
export interface EnvelopeFactoryOptions extends CausationDepthOptions {
  readonly defaults: EmitOptions | undefined;
  readonly providerName: string;
  /** UTF-8 bytes of JSON that data may have, together with metadata. */
  readonly maxPayloadBytes: number;
}

/** What `emit` takes first. */
export type Emission = string | symbol | EventMessage | readonly EventMessage[];

/** One call of `emit`, apart from its messages. */
export class EmitCall {
  readonly options: EmitOptions | undefined;
  readonly run: CurrentRun | undefined;
  readonly now: number;
  /** Whether options apply to any of the envelopes. */
  hasOptions = false;
  readonly issues: Issue[] = [];

  constructor(options: EmitOptions | undefined, run: CurrentRun | undefined, now: number) {
    this.options = options;
    this.run = run;
    this.now = now;
  }
}

/** Makes envelopes of messages, with the options and metadata that apply to them. */
export class EnvelopeFactory {
  readonly #options: EnvelopeFactoryOptions;
  readonly #depth: CausationDepth;
  readonly #nextId = createEventIds();
  readonly #checkName = createNameCheck();
  /** What walks over data remember, for the next one. */
  readonly #memberNames: string[] = [];

  constructor(options: EnvelopeFactoryOptions) {
    this.#options = options;
    this.#depth = new CausationDepth(options);
  }

  /**
   * Makes an envelope of each message.
   *
   * @param data The data, if `first` is a name.
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE` with every mistake in every message.
   */
  create(first: Emission, data: unknown, call: EmitCall): OutgoingEnvelope[] {
    const { options, issues } = call;
    if (options !== undefined) checkEmitOptions(options, "options", issues);
    const envelopes: OutgoingEnvelope[] = [];
    if (typeof first === "string" || typeof first === "symbol") {
      const name = typeof first === "symbol" ? nameOf(first) : first;
      envelopes.push(this.#envelope({ name, data }, "", call));
    } else if (!isMany(first)) {
      if (checkMessage(first, "", issues)) envelopes.push(this.#envelope(first, "", call));
    } else {
      // By index, to see the holes of a sparse array, too.
      for (let index = 0; index < first.length; index += 1) {
        const message = first[index] as EventMessage;
        const at = `[${index}].`;
        if (checkMessage(message, at, issues)) envelopes.push(this.#envelope(message, at, call));
      }
    }
    if (issues.length > 0) throw invalidMessage(issues, envelopes);
    return envelopes;
  }

  #envelope(message: EventMessage, at: string, call: EmitCall): OutgoingEnvelope {
    const { issues } = call;
    const { defaults, maxPayloadBytes } = this.#options;
    const nameIssue = this.#checkName(message.name);
    if (nameIssue) issues.push({ path: `${at}name`, reason: nameIssue });
    const walk = new JsonWalk(maxPayloadBytes, this.#memberNames);
    const data = copyAsJson(message.data, at, "data", issues, walk);
    if (message.options !== undefined) checkEmitOptions(message.options, `${at}options`, issues);
    const id = message.id ?? this.#nextId(call.now);
    const metadata = this.#metadata(message, id, at, call, walk);
    const envelope = new OutgoingEnvelope(id, message.name, data, metadata);
    // One that is refused has options that may be anything.
    if (issues.length > 0) return envelope;
    if (message.options || call.options || defaults) {
      this.#applyOptions(envelope, message.options, `${at}options`, call, walk);
    }
    walk.check(data, message.metadata && metadata, at, issues);
    return envelope;
  }

  #metadata(
    { metadata }: EventMessage,
    id: string,
    at: string,
    { now, run, issues }: EmitCall,
    walk: JsonWalk,
  ): EnvelopeMetadata {
    if (metadata === undefined) {
      return run === undefined
        ? { created_at: now, published_at: now, correlationId: id }
        : {
            created_at: now,
            published_at: now,
            correlationId: run.envelope.metadata.correlationId,
            causationId: run.envelope.id,
            causationDepth: this.#depth.in(run, at, issues),
          };
    }
    const given = readMetadata(metadata, at, issues, walk);
    if (!given) return NO_METADATA;
    const member = metadata.createdAt === undefined ? "created_at" : "createdAt";
    const createdAt = metadata[member];
    return {
      correlationId: run?.envelope.metadata.correlationId ?? id,
      ...(run && { causationId: run.envelope.id }),
      ...given,
      // Many pass on the metadata of the event that they handle: its depth is not theirs.
      ...(run && { causationDepth: this.#depth.in(run, at, issues) }),
      created_at:
        createdAt === undefined ? now : readTime(createdAt, `${at}metadata.${member}`, issues),
      published_at: now,
    };
  }

  /** Applies the options of a message, of the emit and of the bus. */
  #applyOptions(
    envelope: OutgoingEnvelope,
    own: EmitOptions | undefined,
    path: string,
    call: EmitCall,
    walk: JsonWalk,
  ): void {
    const { defaults, providerName } = this.#options;
    const options = mergeEmitOptions(own, call.options, defaults);
    if (options === undefined) return;
    call.hasOptions = true;
    const { delay } = options;
    envelope.policy = policyOf(options, call.options, own, defaults, envelope.metadata);
    envelope.orderingKey = options.orderingKey;
    envelope.priority = priorityNumber(options);
    envelope.delayMs =
      (isDate(delay) ? Math.max(0, delay.getTime() - call.now) : delay) || undefined;
    envelope.deduplicationId = options.deduplicationId;
    envelope.to = options.to && [...new Set(options.to)];
    const ofProvider = options.provider?.[providerName];
    if (ofProvider === undefined) return;
    const at = `${path}.provider.`;
    const copied = copyAsJson(ofProvider, at, providerName, call.issues, walk);
    envelope.providerOptions = copied as JsonObject;
  }
}

function isMany(first: EventMessage | readonly EventMessage[]): first is readonly EventMessage[] {
  return Array.isArray(first);
}

/**
 * The error that refuses a whole emit.
 *
 * @param events The events of the emit, as far as they were made. One alone is named.
 */
export function invalidMessage(
  issues: readonly Issue[],
  events: readonly { readonly name: string }[],
): BusbarError<"BUSBAR_INVALID_MESSAGE"> {
  const lines = issues.map(({ path, reason }) => (path ? `${path}: ${reason}` : reason));
  const [first, ...others] = events;
  const what = first && others.length === 0 ? `emit ${quoted(first.name)}` : "emit";
  return new BusbarError("BUSBAR_INVALID_MESSAGE", `Cannot ${what}: ${listed(lines)}`, { issues });
}

/** Stands for metadata that is refused; never leaves this file. */
const NO_METADATA: EnvelopeMetadata = { created_at: 0, published_at: 0, correlationId: "" };

function checkMessage(message: unknown, at: string, issues: Issue[]): boolean {
  if (typeof message !== "object" || message === null) {
    issues.push({ path: at.slice(0, -1), reason: "must be a message: { name, data }" });
    return false;
  }
  for (const member in message) {
    if (!isMessageMember(member) && isOwn(message, member)) {
      const hint = didYouMean(member, MESSAGE_MEMBERS);
      issues.push({ path: at + member, reason: `is not a member of a message${hint}` });
    }
  }
  const { id } = message as EventMessage;
  const reason = id === undefined ? undefined : textIssue(id, MAX_ID_LENGTH);
  if (reason !== undefined) issues.push({ path: `${at}id`, reason });
  return true;
}

/** Not a look-up in a Set, which takes longer: each member of each message comes by. */
function isMessageMember(name: string): name is keyof EventMessage {
  return (
    name === "name" || name === "data" || name === "id" || name === "metadata" || name === "options"
  );
}

/** The policy of merged options. `own` are those of the message. */
function policyOf(
  { attempts, backoff, internal, delay }: EmitOptions,
  ofEmit: EmitOptions | undefined,
  own: EmitOptions | undefined,
  defaults: EmitOptions | undefined,
  { eventGroupId }: EnvelopeMetadata,
): EnvelopePolicy | undefined {
  const dueAt = isDate(delay) && eventGroupId !== undefined ? delay.getTime() : undefined;
  if (attempts === undefined && backoff === undefined && !internal && dueAt === undefined) {
    return undefined;
  }
  const byDefault =
    defaults &&
    MAY_BE_BY_DEFAULT.filter(
      (name) =>
        defaults[name] !== undefined && own?.[name] === undefined && ofEmit?.[name] === undefined,
    );
  return {
    attempts,
    // The caller may go on to use the object for something else.
    backoff: typeof backoff === "object" ? { ...backoff } : backoff,
    internal,
    ...(byDefault?.length && { byDefault }),
    ...(dueAt !== undefined && { dueAt }),
  };
}

/** Metadata as JSON, without the times; undefined, and issues, when it cannot be that. */
export function readMetadata(
  metadata: unknown,
  at: string,
  issues: Issue[],
  walk: JsonWalk,
): Readonly<Record<string, JsonValue>> | undefined {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    issues.push({ path: `${at}metadata`, reason: "must be an object" });
    return undefined;
  }
  const { createdAt: _, publishedAt: __, ...rest } = metadata as EventMetadata;
  const { created_at: ___, published_at: ____, ...others } = rest;
  const before = issues.length;
  const given = copyAsJson(others, at, "metadata", issues, walk) as Record<string, JsonValue>;
  if (issues.length > before) return undefined;
  for (const member of ["eventGroupId", "stepId", "correlationId", "causationId"]) {
    const id = given[member];
    const reason = id === undefined ? undefined : textIssue(id, MAX_ID_LENGTH);
    if (reason !== undefined) issues.push({ path: `${at}metadata.${member}`, reason });
  }
  const { causationDepth } = given;
  if (causationDepth !== undefined && !isDepth(causationDepth)) {
    issues.push({ path: `${at}metadata.causationDepth`, reason: "must be a whole number from 0" });
  }
  return given;
}

function isDepth(value: JsonValue): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDate(delay: number | Date | undefined): delay is Date {
  return typeof delay === "object";
}

function readTime(value: unknown, path: string, issues: Issue[]): number {
  const time =
    value instanceof Date || typeof value === "string" || typeof value === "number"
      ? new Date(value).getTime()
      : Number.NaN;
  if (Number.isNaN(time)) issues.push({ path, reason: "must be a Date" });
  return time;
}
