import type { JsonValue } from "@busbar/core/provider";
import { leavesOf, textLeaf, termsOf } from "./text.ts";

/** What is found together: the payload of an event, its snapshot, or what an attempt has. */
export type DocumentId = number;

/** One term of a document, as a row of `busbar_webhook_terms`. */
export interface TermRow {
  readonly document: DocumentId;
  readonly path: string;
  readonly term: string;
  readonly amount: number | null;
}

/** The document of the payload of an event. */
export function payloadDocument(eventNumber: number): DocumentId {
  return 2 * eventNumber;
}

/** The document of the snapshot of an event. */
export function snapshotDocument(eventNumber: number): DocumentId {
  return 2 * eventNumber + 1;
}

/** The document of what an attempt has. */
export function attemptDocument(attemptId: number): DocumentId {
  return -attemptId;
}

/** The path of what is at a path in a payload. */
export function payloadPath(path: string): string {
  return path === "" ? "data" : `data.${path}`;
}

/** The texts that a document is made of. Payloads are JSON. */
export interface DocumentSource {
  readonly document: DocumentId;
  readonly payload?: string | null;
  readonly error?: string | null;
  readonly response?: string | null;
}

/** Returns the rows of a document. */
export function termRows(source: DocumentSource): readonly TermRow[] {
  const { document, payload, error, response } = source;
  const leaves = [];
  if (typeof payload === "string") {
    for (const leaf of leavesOf(JSON.parse(payload) as JsonValue)) {
      leaves.push({ ...leaf, path: payloadPath(leaf.path) });
    }
  }
  if (typeof error === "string") leaves.push(textLeaf("error", error));
  if (typeof response === "string") leaves.push(textLeaf("response", response));
  const rows = new Map<string, TermRow>();
  for (const leaf of leaves) {
    for (const term of termsOf(leaf)) {
      const key = `${leaf.path}\0${term}`;
      const amount = term === leaf.whole ? leaf.number : null;
      if (rows.get(key)?.amount == null) rows.set(key, { document, path: leaf.path, term, amount });
    }
  }
  return [...rows.values()];
}
