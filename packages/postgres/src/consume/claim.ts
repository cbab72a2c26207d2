import type { Envelope, JsonValue } from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import { readEnvelope } from "../stored-envelope.ts";
import type { RowInFlight } from "./row-in-flight.ts";
import type { LonePlace } from "./lone-place.ts";

/** A line that this process has in flight and has not begun. */
export interface ClaimedLine {
  readonly row: RowInFlight;
  readonly member: number;
  /** Undefined: it cannot be read. */
  readonly envelope: Envelope | undefined;
  readonly state: JsonValue | undefined;
  readonly crashes: number;
  readonly suspicions: number;
  /** Whether a crash of the process counts for it. */
  readonly isAlone: boolean;
  /** Where it runs, if it is alone. */
  place?: LonePlace | undefined;
}

/** What a claim has brought. */
export interface Claim {
  readonly lines: readonly ClaimedLine[];
  /** Milliseconds until the next delayed delivery is due. Undefined: there is none. */
  readonly dueInMs: number | undefined;
}

/**
 * Reads the answer of the statement that claims.
 *
 * @param hold Makes the row with this id and these lines.
 */
export function readClaim(
  answer: readonly SqlRow[],
  hold: (id: string, members: readonly number[]) => RowInFlight,
): Claim {
  const last = answer.at(-1);
  const dueInMs = (last?.["due_in_ms"] as number | null | undefined) ?? undefined;
  return { lines: answer.slice(0, -1).flatMap((row) => linesOf(row, hold)), dueInMs };
}

function linesOf(
  answer: SqlRow,
  hold: (id: string, members: readonly number[]) => RowInFlight,
): readonly ClaimedLine[] {
  const members = JSON.parse(answer["members"] as string) as readonly number[];
  const state = answer["state"] as string | null;
  const rest = {
    row: hold(answer["id"] as string, members),
    state: state === null ? undefined : (JSON.parse(state) as JsonValue),
    crashes: answer["crashes"] as number,
    suspicions: answer["suspicions"] as number,
    isAlone: answer["is_alone"] as boolean,
  };
  const body = answer["body"] as string | null;
  const [only] = members;
  // Of a row with one line, the answer brings that line alone.
  if (members.length === 1) return [{ ...rest, member: only as number, envelope: readLine(body) }];
  const lines = body?.split("\n");
  return members.map((member) => ({ ...rest, member, envelope: readLine(lines?.[member]) }));
}

function readLine(line: string | null | undefined): Envelope | undefined {
  return typeof line === "string" ? readEnvelope(line) : undefined;
}
