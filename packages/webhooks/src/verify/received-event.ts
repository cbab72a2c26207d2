/** What the body of a request says about its event. All of it is signed. */
export interface ReceivedEvent {
  /** The name of the event. */
  readonly name: string;
  /** The id of the event: the same for all who receive it. Only CloudEvents have it. */
  readonly id: string | null;
  /** The scope of the event, such as a shop. Only CloudEvents have it. */
  readonly scope: string | null;
  /** When the event was emitted. */
  readonly occurredAt: Date | null;
  /** The payload of the event. */
  readonly data: unknown;
}

/**
 * Reads the event of a body: `{ type, timestamp, data }`, a CloudEvent, or a batch of one CloudEvent. Undefined if it is
 * anything else. Headers are not asked, as no signature covers them.
 */
export function receivedEvent(payload: unknown): ReceivedEvent | undefined {
  const body: unknown = Array.isArray(payload) && payload.length === 1 ? payload[0] : payload;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  const { type, specversion, id, scope, time, timestamp, data } = body as Record<string, unknown>;
  if (typeof type !== "string") return undefined;
  if (typeof specversion === "string") {
    return { name: type, id: text(id), scope: text(scope), occurredAt: date(time), data };
  }
  if (body !== payload || typeof timestamp !== "string") return undefined;
  return { name: type, id: null, scope: null, occurredAt: date(timestamp), data };
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function date(value: unknown): Date | null {
  const time = typeof value === "string" ? new Date(value) : undefined;
  return time === undefined || Number.isNaN(time.getTime()) ? null : time;
}
