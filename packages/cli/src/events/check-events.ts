import type { BusbarConfig } from "@busbar/core";
import { findDifferences, type SchemaFinding } from "./compare-schemas.ts";
import { sameJson } from "./json-schema.ts";
import type { Snapshot, SnapshotEvent } from "./snapshot.ts";

/** Who meets data that does not match: see {@link checkEvents}. */
export type Affected = "queued" | "subscribers";

/** What a change of an event does. */
export interface EventFinding extends SchemaFinding {
  /** The name of the event. */
  readonly event: string;
  /**
   * `queued`: events that the last release has emitted, and that wait in a queue, meet the new handlers.
   * `subscribers`: events that the new code emits meet handlers of the last release, which may run for a while, or in
   * another application.
   */
  readonly affects: Affected;
}

/** What has become of the events of a snapshot. */
export interface EventChanges {
  /** The names of new events. */
  readonly added: readonly string[];
  /** The names of events that are gone. */
  readonly removed: readonly string[];
  /** The names of events whose schema is another one. */
  readonly changed: readonly string[];
  /** What the changes do. */
  readonly findings: readonly EventFinding[];
}

/**
 * Compares the events of the last release with those of the code, in both directions: what was emitted before must be
 * valid now, and what is emitted now must be valid for the handlers of the last release.
 */
export async function checkEvents(
  before: Snapshot,
  now: Snapshot,
  catalogue: BusbarConfig["events"],
): Promise<EventChanges> {
  const common = Object.keys(before).filter((name) => Object.hasOwn(now, name));
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(now, name));
  const findings = await Promise.all(
    common.map(async (event) => [
      ...compareEvent(event, before[event]!, now[event]!),
      ...(await tryExamples(event, before[event]!, catalogue)),
    ]),
  );
  return {
    added: Object.keys(now).filter((name) => !Object.hasOwn(before, name)),
    removed,
    changed: common.filter((name) => !sameJson(before[name]!.schema, now[name]!.schema)),
    findings: [
      ...removed.map((event): EventFinding => ({
        event,
        affects: "subscribers",
        kind: "breaks",
        path: "$",
        message: "is not in the catalogue any more",
      })),
      ...findings.flat(),
    ],
  };
}

function compareEvent(
  event: string,
  { schema: before }: SnapshotEvent,
  { schema: now }: SnapshotEvent,
): readonly EventFinding[] {
  if (before === undefined && now === undefined) {
    const message = "has no schema that can be written as JSON Schema";
    return [{ event, affects: "queued", kind: "unknown", path: "$", message }];
  }
  // Without a schema, everything is valid.
  const [first, second] = [before ?? true, now ?? true];
  const found = (affects: Affected, findings: readonly SchemaFinding[]): readonly EventFinding[] =>
    findings.map((finding) => ({ ...finding, event, affects }));
  return [
    ...found("queued", findDifferences(first, second)),
    ...found("subscribers", findDifferences(second, first)),
  ];
}

/** The examples of the last release must pass the validation of the code: its word, not that of a comparison. */
async function tryExamples(
  event: string,
  { examples = [] }: SnapshotEvent,
  catalogue: BusbarConfig["events"],
): Promise<readonly EventFinding[]> {
  const findings: EventFinding[] = [];
  for (const [index, example] of examples.entries()) {
    for (const { path, reason } of (await catalogue?.check(event, example)) ?? []) {
      const message = `${path} ${reason}, in example ${index + 1} of the snapshot`;
      findings.push({ event, affects: "queued", kind: "breaks", path: "$", message });
    }
  }
  return findings;
}
