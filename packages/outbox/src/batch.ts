import { isBusbarError } from "@busbar/core";
import {
  decodeEnvelope,
  type Envelope,
  isLastingError,
  type PublishResult,
  safeError,
} from "@busbar/core/provider";
import type { ClaimedRow, FailedRow } from "./relay-statements.ts";

/** A row whose event can be published. */
export interface OutgoingRow {
  readonly id: string;
  readonly eventId: string;
  readonly envelope: Envelope;
}

/** The result of publishing the rows of a batch. */
export interface BatchOutcome {
  readonly accepted: readonly OutgoingRow[];
  /** The rows that are unreadable or permanently rejected. */
  readonly failed: readonly FailedRow[];
  /** The ids of the rows that the relay publishes again. */
  readonly rest: readonly string[];
  /** The error that the publish of this batch threw. Undefined after an error that no retry resolves. */
  readonly failure: unknown;
}

/**
 * Publishes the events of rows, and sorts the rows by what became of them. Does not reject.
 *
 * Where the provider judges each event of a batch by itself, those of one key leave one after the other:
 * what it has taken cannot be taken back, should it refuse an earlier one.
 */
export async function publishBatch(
  rows: readonly ClaimedRow[],
  publish: (envelopes: readonly Envelope[]) => Promise<readonly PublishResult[]>,
  wholeBatches: boolean,
): Promise<BatchOutcome> {
  const { outgoing, unreadable } = readRows(rows);
  const accepted: OutgoingRow[] = [];
  const failed: FailedRow[] = [...unreadable];
  const rest: string[] = [];
  const waiting = new Set<string | undefined>();
  let failure: unknown;
  let waves = wholeBatches ? [outgoing] : wavesOf(outgoing);
  for (let wave = waves.shift(); wave; wave = waves.shift()) {
    const ready = failure === undefined ? wave.filter((row) => !waiting.has(keyOf(row))) : [];
    let refusal: unknown;
    const results = await resultsOf(ready, publish, (error) => {
      if (isLastingError(error)) refusal = error;
      else failure = error;
    });
    const unknown = ready.filter((row) => results.get(row) === undefined);
    const isRefusedAsWhole = wholeBatches && wave.every((row) => isFinal(results.get(row)));
    const suspects = refusal === undefined ? (isRefusedAsWhole ? wave : []) : unknown;
    if (suspects.length > 1) {
      // One of them is at fault, and only that one shall be set aside.
      waves = [...suspects.map((row) => [row]), ...waves];
    }
    for (const row of wave) {
      const result = results.get(row);
      if (suspects.length > 1 && suspects.includes(row)) continue;
      if (result && result.status !== "rejected") accepted.push(row);
      else if (isFinal(result) || suspects.includes(row)) {
        const reason = isFinal(result) ? new Error(result.reason) : refusal;
        failed.push({ id: row.id, error: safeError(reason).message });
      } else {
        rest.push(row.id);
        if (keyOf(row) !== undefined) waiting.add(keyOf(row));
      }
    }
  }
  return { accepted, failed, rest, failure };
}

/** Splits rows so that no part has two of one key, each part as early as it can be. */
function wavesOf(rows: readonly OutgoingRow[]): (readonly OutgoingRow[])[] {
  const waves: OutgoingRow[][] = [];
  const next = new Map<string, number>();
  for (const row of rows) {
    const key = keyOf(row);
    const wave = key === undefined ? 0 : (next.get(key) ?? 0);
    if (key !== undefined) next.set(key, wave + 1);
    (waves[wave] ??= []).push(row);
  }
  return waves;
}

function keyOf({ envelope }: OutgoingRow): string | undefined {
  return envelope.orderingKey;
}

async function resultsOf(
  rows: readonly OutgoingRow[],
  publish: (envelopes: readonly Envelope[]) => Promise<readonly PublishResult[]>,
  onFailure: (error: unknown) => void,
): Promise<ReadonlyMap<OutgoingRow, PublishResult | undefined>> {
  let results: readonly (PublishResult | undefined)[] = [];
  try {
    if (rows.length > 0) results = await publish(rows.map(({ envelope }) => envelope));
  } catch (error) {
    onFailure(error);
    results = knownResults(rows, error);
  }
  return new Map(rows.map((row, index) => [row, results[index]]));
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
      unreadable.push({ id: row.id, error: safeError(error).message });
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

type Rejection = Extract<PublishResult, { readonly status: "rejected" }>;

function isFinal(result: PublishResult | undefined): result is Rejection {
  return result?.status === "rejected" && !result.retryable && result.code !== "overloaded";
}
