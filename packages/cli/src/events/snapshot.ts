import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import type { DescribedEvent } from "@busbar/core";
import { isObject, isSchema, type JsonSchema } from "./json-schema.ts";

/** The name of the file that a project commits. */
export const SNAPSHOT_FILE = "busbar.events.json";

const VERSION = 1;

/** An event as a release had it. */
export interface SnapshotEvent {
  /** Absent: the event had no schema that can be written as JSON Schema. */
  readonly schema?: JsonSchema | undefined;
  readonly description?: string | undefined;
  readonly examples?: readonly unknown[] | undefined;
}

/** The events of a release, by name. */
export type Snapshot = Readonly<Record<string, SnapshotEvent>>;

/** Returns the snapshot of the events of a catalogue. */
export function snapshotOf(events: readonly DescribedEvent[]): Snapshot {
  const entries = events.map(({ name, ...event }): [string, SnapshotEvent] => [name, event]);
  return JSON.parse(JSON.stringify(Object.fromEntries(entries))) as Snapshot;
}

/**
 * Reads a snapshot. Resolves with undefined where there is no file.
 *
 * @throws CommandFailure when the file is not a snapshot.
 */
export async function readSnapshot(file: string): Promise<Snapshot | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CommandFailure(
      ExitCode.failed,
      `${file} cannot be read: ${(error as Error).message}`,
    );
  }
  const snapshot = parseSnapshot(text);
  if (typeof snapshot !== "string") return snapshot;
  throw new CommandFailure(
    ExitCode.failed,
    `${path.basename(file)} is not a snapshot of events: ${snapshot}`,
    "Write it anew with `busbar events snapshot`, or restore it from version control.",
  );
}

function parseSnapshot(text: string): Snapshot | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  if (!isObject(value) || !isObject(value["events"])) return "it has no events";
  const { version, events } = value;
  if (version !== VERSION) return `it has version ${String(version)}, and ${VERSION} is supported`;
  for (const [name, event] of Object.entries(events as object)) {
    if (!isObject(event)) return `${name} is not an object`;
    if (event["schema"] !== undefined && !isSchema(event["schema"])) return `${name} has no schema`;
  }
  return events as Snapshot;
}

/** Writes a snapshot, in an order that does not change by itself. */
export async function writeSnapshot(file: string, snapshot: Snapshot): Promise<void> {
  const events = Object.fromEntries(
    Object.entries(snapshot).toSorted(([first], [second]) => (first < second ? -1 : 1)),
  );
  await writeFile(file, `${JSON.stringify({ version: VERSION, events }, null, 2)}\n`);
}
