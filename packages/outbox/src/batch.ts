import { decodeEnvelope, type Envelope, isBusbarError, type PublishResult } from "@busbar/core";
import type { ClaimedRow, FailedRow } from "./relay-statements.ts";

/** A row whose event can be published. */
export interface OutgoingRow {
  readonly id: string;
  readonly eventId: string;
  readonly envelope: Envelope;
}

/** What became of the rows of a batch. */
export interface BatchOutcome {
  readonly accepted: readonly OutgoingRow[];
  /** Those that no retry will get accepted. */
  readonly failed: readonly FailedRow[];
  /** Ids of those to be tried again. */
  readonly rest: readonly string[];
  /** What the publish threw, if it did. */
  readonly failure: unknown;
}

/** Publishes the events of rows, and sorts the rows by what became of them. Does not reject. */
export async function publishBatch(
  rows: readonly ClaimedRow[],
  publish: (envelopes: readonly Envelope[]) => Promise<readonly PublishResult[]>,
): Promise<BatchOutcome> {
  const { outgoing, unreadable } = readRows(rows);
  let results: readonly (PublishResult | undefined)[] = [];
  let failure: unknown;
  try {
    if (outgoing.length > 0) results = await publish(outgoing.map(({ envelope }) => envelope));
  } catch (error) {
    failure = error;
    results = knownResults(outgoing, error);
  }
  const accepted: OutgoingRow[] = [];
  const failed: FailedRow[] = [...unreadable];
  const rest: string[] = [];
  for (const [index, row] of outgoing.entries()) {
    const result = results[index];
    if (result && result.status !== "rejected") accepted.push(row);
    else if (result && isFinal(result)) failed.push({ id: row.id, error: result.reason });
    else rest.push(row.id);
  }
  return { accepted, failed, rest, failure };
}

function readRows(rows: readonly ClaimedRow[]): {
  readonly outgoing: readonly OutgoingRow[];
  readonly unreadable: readonly FailedRow[];
} {
  const outgoing: OutgoingRow[] = [];
  const unreadable: FailedRow[] = [];
  for (const row of rows) {
    try {
      const envelope = decodeEnvelope(row.envelope);
      outgoing.push({ id: row.id, eventId: envelope.id, envelope });
    } catch (error) {
      unreadable.push({ id: row.id, error: (error as Error).message });
    }
  }
  return { outgoing, unreadable };
}

/** What the error of a publish says of each envelope. */
function knownResults(
  outgoing: readonly OutgoingRow[],
  error: unknown,
): readonly (PublishResult | undefined)[] {
  if (!isBusbarError(error) || !("accepted" in error.details)) return [];
  const accepted = new Set(error.details.accepted);
  return outgoing.map(({ eventId }) =>
    accepted.has(eventId) ? { status: "accepted", subscriptions: 1 } : undefined,
  );
}

function isFinal(result: PublishResult & { readonly status: "rejected" }): boolean {
  return !result.retryable && result.code !== "overloaded";
}
