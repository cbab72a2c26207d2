import type { Event } from "../contract/event.ts";
import type { Envelope, EnvelopeMetadata, StagedEvent } from "../contract/provider.ts";
import type { Interceptor, InterceptorContext } from "../contract/interceptor.ts";
import type { Issue } from "../contract/issue.ts";
import { receivedEvent } from "../deliver/received-event.ts";
import { invalidMessage, readMetadata } from "./envelopes.ts";
import { checkEventName } from "../values/event-names.ts";
import { copyAsJson, JsonWalk } from "../values/json.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

/** Rejects data that does not match the schema of its event. */
export type DataCheck = (name: string, data: unknown) => void | Promise<void>;

/**
 * Shows events to interceptors, one event after the other.
 *
 * @returns What is left of them, in order.
 */
export async function intercept(
  interceptors: ReadonlySet<Interceptor>,
  events: readonly StagedEvent[],
  isGrouped: boolean,
  checkData: DataCheck,
  maxPayloadBytes: number,
): Promise<readonly StagedEvent[]> {
  if (interceptors.size === 0) return events;
  const kept: StagedEvent[] = [];
  for (const staged of events) {
    const { eventGroupId } = staged.envelope.metadata;
    const context = isGrouped ? { isGrouped, eventGroupId } : { isGrouped };
    const envelope = await interceptOne(
      interceptors,
      staged.envelope,
      context,
      checkData,
      maxPayloadBytes,
    );
    if (envelope) kept.push({ ...staged, envelope });
  }
  return kept;
}

async function interceptOne(
  interceptors: ReadonlySet<Interceptor>,
  original: Envelope,
  context: InterceptorContext,
  checkData: DataCheck,
  maxPayloadBytes: number,
): Promise<Envelope | undefined> {
  let envelope = original;
  for (const interceptor of interceptors) {
    const answer = await interceptor(receivedEvent(envelope, true), context);
    if (answer === null) return undefined;
    if (answer === undefined) continue;
    envelope = replaced(envelope, answer, maxPayloadBytes);
    await checkData(envelope.name, envelope.data);
  }
  return envelope;
}

/** The envelope of an interceptor's replacement: its id, times, group and options stay. */
function replaced(envelope: Envelope, replacement: Event, maxPayloadBytes: number): Envelope {
  const issues: Issue[] = [];
  const { name, data, metadata } = replacement;
  const nameIssue = checkEventName(name);
  if (nameIssue) issues.push({ path: "name", reason: nameIssue });
  const walk = new JsonWalk(maxPayloadBytes);
  const newData = copyAsJson(data, "", "data", issues, walk);
  const newMetadata = readMetadata(metadata ?? {}, "", issues, walk);
  if (issues.length === 0) walk.check(newData, newMetadata, "", issues);
  if (!newMetadata || issues.length > 0) {
    throw invalidMessage(
      issues.map((issue) => ({ ...issue, path: `(intercepted) ${issue.path}` })),
      [envelope],
    );
  }
  const { created_at, published_at, correlationId, causationId, causationDepth, eventGroupId } =
    envelope.metadata;
  const { eventGroupId: _, causationDepth: __, ...others } = newMetadata;
  const kept: EnvelopeMetadata = {
    correlationId,
    ...(causationId !== undefined && { causationId }),
    ...others,
    ...(causationDepth !== undefined && { causationDepth }),
    ...(eventGroupId !== undefined && { eventGroupId }),
    created_at,
    published_at,
  };
  return OutgoingEnvelope.from(envelope, { name, data: newData, metadata: kept });
}
