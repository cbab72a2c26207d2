import type { EmitOptions, EventMessage, EventMetadata } from "../contracts/event.ts";
import type { StagedEvent } from "../contracts/groups.ts";
import type { JsonObject, JsonValue } from "../contracts/json.ts";
import type { Envelope, EnvelopeMetadata, EnvelopePolicy } from "../contracts/provider.ts";
import { BusbarError, type Issue } from "../errors.ts";
import type { CurrentRun } from "./causality.ts";
import { checkEmitOptions, mergeEmitOptions, priorityNumber } from "./emit-options.ts";
import { checkEventName } from "./event-names.ts";
import { copyAsJson } from "./json-copy.ts";

const MESSAGE_MEMBERS = new Set(["name", "data", "id", "metadata", "options"]);
const MAX_ID_LENGTH = 255;

/** What {@link createEnvelopes} needs beside the messages. */
export interface EnvelopeSource {
  readonly messages: readonly EventMessage[];
  /** Whether the caller gave an array, so that paths name the place in it. */
  readonly isArray: boolean;
  readonly options: EmitOptions | undefined;
  readonly defaults: EmitOptions | undefined;
  readonly run: CurrentRun | undefined;
  readonly providerName: string;
  readonly now: number;
  nextId(now: number): string;
}

/**
 * Makes an envelope of each message, with the options and metadata that apply to it.
 *
 * @throws BusbarError `BUSBAR_INVALID_MESSAGE` with every mistake in every message.
 */
export function createEnvelopes(source: EnvelopeSource): StagedEvent[] {
  const issues: Issue[] = [];
  checkEmitOptions(source.options, "options", issues);
  // Array.from sees the holes of a sparse array, too.
  const events = Array.from(source.messages, (message, index) =>
    createEnvelope(source, message, source.isArray ? `[${index}]` : "", issues),
  );
  if (issues.length > 0) throw invalidMessage(issues);
  return events;
}

/** The error that refuses a whole emit. */
export function invalidMessage(issues: readonly Issue[]): BusbarError<"BUSBAR_INVALID_MESSAGE"> {
  const lines = issues.map(({ path, reason }) => (path ? `${path} ${reason}` : reason));
  return new BusbarError("BUSBAR_INVALID_MESSAGE", `Cannot emit: ${lines.join("; ")}`, { issues });
}

function createEnvelope(
  source: EnvelopeSource,
  message: EventMessage,
  at: string,
  issues: Issue[],
): StagedEvent {
  const place = (member: string): string => (at ? `${at}.${member}` : member);
  if (!checkMessage(message, at, issues)) return NOTHING;

  const nameIssue = checkEventName(message.name);
  if (nameIssue) issues.push({ path: place("name"), reason: nameIssue });
  const data = copyAsJson(message.data, place("data"));
  if ("issue" in data) issues.push(data.issue);
  if (message.options !== undefined) checkEmitOptions(message.options, place("options"), issues);
  const id = message.id ?? source.nextId(source.now);
  const metadata = createMetadata(source, message, id, place("metadata"), issues);
  if (issues.length > 0) return NOTHING;

  const options = mergeEmitOptions(message.options, source.options, source.defaults);
  return createEvent(
    source,
    { id, name: message.name, data: "value" in data ? data.value : null, metadata },
    options,
    place("options"),
    issues,
  );
}

/** Stands for a message that is refused; never leaves this file. */
const NOTHING: StagedEvent = {
  envelope: {
    id: "",
    name: "",
    data: null,
    metadata: { created_at: 0, published_at: 0, correlationId: "" },
  },
};

function checkMessage(message: unknown, at: string, issues: Issue[]): boolean {
  if (typeof message !== "object" || message === null) {
    issues.push({ path: at, reason: "must be a message: { name, data }" });
    return false;
  }
  for (const member of Object.keys(message)) {
    if (!MESSAGE_MEMBERS.has(member)) {
      issues.push({
        path: at ? `${at}.${member}` : member,
        reason: "is not a member of a message",
      });
    }
  }
  const { id } = message as EventMessage;
  if (id !== undefined && !isId(id)) {
    issues.push({ path: at ? `${at}.id` : "id", reason: ID_REASON });
  }
  return true;
}

function createEvent(
  source: EnvelopeSource,
  base: Pick<Envelope, "id" | "name" | "data" | "metadata">,
  options: EmitOptions | undefined,
  path: string,
  issues: Issue[],
): StagedEvent {
  if (options === undefined) return { envelope: base };
  const delayMs = options.delay ? options.delay : undefined;
  return {
    delayMs,
    envelope: {
      ...base,
      policy: policyOf(options),
      orderingKey: options.orderingKey,
      priority: priorityNumber(options),
      notBefore: delayMs === undefined ? undefined : source.now + delayMs,
      deduplicationId: options.deduplicationId,
      providerOptions: ownOptions(options.provider?.[source.providerName], path, source, issues),
    },
  };
}

function policyOf({ attempts, backoff, internal }: EmitOptions): EnvelopePolicy | undefined {
  if (attempts === undefined && backoff === undefined && !internal) return undefined;
  // The caller may go on to use the object for something else.
  return { attempts, backoff: typeof backoff === "object" ? { ...backoff } : backoff, internal };
}

function ownOptions(
  options: unknown,
  path: string,
  { providerName }: EnvelopeSource,
  issues: Issue[],
): JsonObject | undefined {
  if (options === undefined) return undefined;
  const copied = copyAsJson(options, `${path}.provider.${providerName}`);
  if ("value" in copied) return copied.value as JsonObject;
  issues.push(copied.issue);
  return undefined;
}

function createMetadata(
  source: EnvelopeSource,
  { metadata }: EventMessage,
  id: string,
  path: string,
  issues: Issue[],
): EnvelopeMetadata {
  const { now, run } = source;
  if (metadata === undefined) {
    return run === undefined
      ? { created_at: now, published_at: now, correlationId: id }
      : {
          created_at: now,
          published_at: now,
          correlationId: run.correlationId,
          causationId: run.eventId,
        };
  }
  const given = readMetadata(metadata, path, issues);
  if (!given) return NOTHING.envelope.metadata;
  const { created_at } = metadata;
  return {
    correlationId: run?.correlationId ?? id,
    ...(run && { causationId: run.eventId }),
    ...given,
    created_at: created_at === undefined ? now : readTime(created_at, `${path}.created_at`, issues),
    published_at: now,
  };
}

/** Metadata as JSON, without the two times; undefined, and issues, when it cannot be that. */
export function readMetadata(
  metadata: unknown,
  path: string,
  issues: Issue[],
): Readonly<Record<string, JsonValue>> | undefined {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    issues.push({ path, reason: "must be an object" });
    return undefined;
  }
  const { created_at: _, published_at: __, ...others } = metadata as EventMetadata;
  const copied = copyAsJson(others, path);
  if ("issue" in copied) {
    issues.push(copied.issue);
    return undefined;
  }
  const given = copied.value as Record<string, JsonValue>;
  for (const member of ["eventGroupId", "stepId", "correlationId", "causationId"]) {
    if (given[member] !== undefined && !isId(given[member])) {
      issues.push({ path: `${path}.${member}`, reason: ID_REASON });
    }
  }
  return given;
}

const ID_REASON = `must be a string of 1 to ${MAX_ID_LENGTH} characters`;

function isId(value: unknown): boolean {
  return typeof value === "string" && value.length >= 1 && value.length <= MAX_ID_LENGTH;
}

function readTime(value: unknown, path: string, issues: Issue[]): number {
  const time =
    value instanceof Date || typeof value === "string" || typeof value === "number"
      ? new Date(value).getTime()
      : Number.NaN;
  if (Number.isNaN(time)) issues.push({ path, reason: "must be a Date" });
  return time;
}
