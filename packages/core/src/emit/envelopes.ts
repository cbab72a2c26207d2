import type { EmitOptions, EventMessage, EventMetadata } from "../contract/event.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";
import type { EnvelopeMetadata, EnvelopePolicy } from "../contract/provider.ts";
import type { Issue } from "../contract/issue.ts";
import { BusbarError } from "../errors/errors.ts";
import { listed } from "../errors/quoted.ts";
import { didYouMean, textIssue } from "../values/arguments.ts";
import type { CausationDepth, CurrentRun } from "../causality/causality.ts";
import { checkEmitOptions, mergeEmitOptions, priorityNumber } from "./emit-options.ts";
import { copyAsJson, isOwn, JsonWalk } from "../values/json.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

const MAY_BE_BY_DEFAULT = ["attempts", "backoff"] as const;
const MAX_ID_LENGTH = 255;
const MESSAGE_MEMBERS = ["name", "data", "id", "metadata", "options"];

/** What {@link createEnvelopes} needs beside messages. */
export interface EnvelopeSource {
  readonly options: EmitOptions | undefined;
  readonly defaults: EmitOptions | undefined;
  readonly run: CurrentRun | undefined;
  readonly depth: CausationDepth;
  readonly providerName: string;
  /** UTF-8 bytes of JSON that data may have, together with metadata. */
  readonly maxPayloadBytes: number;
  /** What walks over data remember, for the next one. */
  readonly memberNames: string[];
  readonly now: number;
  /** Gets those that options apply to. */
  readonly withOptions: OutgoingEnvelope[];
  nextId(now: number): string;
  /** What is wrong with the name of an event, if anything. */
  checkName(name: unknown): string | undefined;
}

/**
 * Makes an envelope of each message, with the options and metadata that apply to it.
 *
 * @throws BusbarError `BUSBAR_INVALID_MESSAGE` with every mistake in every message.
 */
export function createEnvelopes(
  source: EnvelopeSource,
  messages: readonly EventMessage[],
): OutgoingEnvelope[] {
  const issues: Issue[] = [];
  if (source.options !== undefined) checkEmitOptions(source.options, "options", issues);
  const envelopes: OutgoingEnvelope[] = [];
  // By index, to see the holes of a sparse array, too.
  for (let index = 0; index < messages.length; index += 1) {
    const message = messages[index] as EventMessage;
    const at = `[${index}].`;
    if (checkMessage(message, at, issues)) {
      envelopes.push(createEnvelope(source, message, at, issues));
    }
  }
  if (issues.length > 0) throw invalidMessage(issues);
  return envelopes;
}

/** Makes the envelope of a single message, as {@link createEnvelopes} does. */
export function createSingleEnvelope(
  source: EnvelopeSource,
  message: EventMessage,
): OutgoingEnvelope {
  const issues: Issue[] = [];
  if (source.options !== undefined) checkEmitOptions(source.options, "options", issues);
  const envelope = checkMessage(message, "", issues) && createEnvelope(source, message, "", issues);
  if (!envelope || issues.length > 0) throw invalidMessage(issues);
  return envelope;
}

/** Makes the envelope of a message that is nothing but a name and data, as {@link createEnvelopes} does. */
export function createNamedEnvelope(
  source: EnvelopeSource,
  name: string,
  data: unknown,
): OutgoingEnvelope {
  const issues: Issue[] = [];
  if (source.options !== undefined) checkEmitOptions(source.options, "options", issues);
  const envelope = createEnvelope(source, { name, data }, "", issues);
  if (issues.length > 0) throw invalidMessage(issues);
  return envelope;
}

/** The error that refuses a whole emit. */
export function invalidMessage(issues: readonly Issue[]): BusbarError<"BUSBAR_INVALID_MESSAGE"> {
  const lines = issues.map(({ path, reason }) => (path ? `${path} ${reason}` : reason));
  return new BusbarError("BUSBAR_INVALID_MESSAGE", `Cannot emit: ${listed(lines)}`, { issues });
}

function createEnvelope(
  source: EnvelopeSource,
  message: EventMessage,
  at: string,
  issues: Issue[],
): OutgoingEnvelope {
  const nameIssue = source.checkName(message.name);
  if (nameIssue) issues.push({ path: `${at}name`, reason: nameIssue });
  const walk = new JsonWalk(source.maxPayloadBytes, source.memberNames);
  const data = copyAsJson(message.data, at, "data", issues, walk);
  if (message.options !== undefined) checkEmitOptions(message.options, `${at}options`, issues);
  const id = message.id ?? source.nextId(source.now);
  const metadata = createMetadata(source, message, id, at, issues, walk);
  const envelope = new OutgoingEnvelope(id, message.name, data, metadata);
  // One that is refused has options that may be anything.
  if (issues.length > 0) return envelope;
  if (message.options || source.options || source.defaults) {
    applyOptions(source, envelope, message.options, `${at}options`, issues, walk);
  }
  walk.check(data, message.metadata && metadata, at, issues);
  return envelope;
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

function applyOptions(
  source: EnvelopeSource,
  envelope: OutgoingEnvelope,
  own: EmitOptions | undefined,
  path: string,
  issues: Issue[],
  walk: JsonWalk,
): void {
  const options = mergeEmitOptions(own, source.options, source.defaults);
  if (options === undefined) return;
  source.withOptions.push(envelope);
  envelope.policy = policyOf(options, source, own, envelope.metadata);
  envelope.orderingKey = options.orderingKey;
  envelope.priority = priorityNumber(options);
  const { delay } = options;
  envelope.delayMs =
    (isDate(delay) ? Math.max(0, delay.getTime() - source.now) : delay) || undefined;
  envelope.deduplicationId = options.deduplicationId;
  const ofProvider = options.provider?.[source.providerName];
  envelope.providerOptions = ownOptions(ofProvider, path, source, issues, walk);
}

/** The policy of merged options. `own` are those of the message. */
function policyOf(
  { attempts, backoff, internal, delay }: EmitOptions,
  { options, defaults }: EnvelopeSource,
  own: EmitOptions | undefined,
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
        defaults[name] !== undefined && own?.[name] === undefined && options?.[name] === undefined,
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

function ownOptions(
  options: unknown,
  path: string,
  { providerName }: EnvelopeSource,
  issues: Issue[],
  walk: JsonWalk,
): JsonObject | undefined {
  if (options === undefined) return undefined;
  return copyAsJson(options, `${path}.provider.`, providerName, issues, walk) as JsonObject;
}

function createMetadata(
  source: EnvelopeSource,
  { metadata }: EventMessage,
  id: string,
  at: string,
  issues: Issue[],
  walk: JsonWalk,
): EnvelopeMetadata {
  const { now, run, depth } = source;
  if (metadata === undefined) {
    return run === undefined
      ? { created_at: now, published_at: now, correlationId: id }
      : {
          created_at: now,
          published_at: now,
          correlationId: run.envelope.metadata.correlationId,
          causationId: run.envelope.id,
          causationDepth: depth.in(run, at, issues),
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
    ...(run && { causationDepth: depth.in(run, at, issues) }),
    created_at:
      createdAt === undefined ? now : readTime(createdAt, `${at}metadata.${member}`, issues),
    published_at: now,
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
