import type { SqlRow } from "@busbar/sql";
import { readEnvelope } from "../stored-envelope.ts";
import type { TakenLines } from "./dead-letters.ts";

/** The lines of a row that are not wanted any more. */
export function unwantedLines(row: SqlRow, isWanted: (name: string) => boolean): TakenLines {
  const lines = (row["body"] as string).split("\n");
  const members = JSON.parse(row["members"] as string) as readonly number[];
  // What cannot be read stays: its delivery makes it a dead letter.
  const read = members.flatMap((member) => {
    const envelope = readEnvelope(lines[member] as string);
    return envelope ? [{ member, envelope }] : [];
  });
  const taken = read.filter(({ envelope }) => !isWanted(envelope.name));
  const left = members.filter((member) => !taken.some((it) => it.member === member));
  return { id: row["id"] as string, left, taken };
}

/** The first of these lines. */
export function firstLines(rows: readonly TakenLines[], most: number): readonly TakenLines[] {
  let room = most;
  return rows.flatMap(({ id, left, taken }) => {
    const first = taken.slice(0, room);
    room -= first.length;
    if (first.length === 0) return [];
    const rest = taken.slice(first.length).map(({ member }) => member);
    return [{ id, left: [...left, ...rest], taken: first }];
  });
}
