import type { JsonObject } from "@busbar/core/provider";
import { REVISION } from "./publisher.ts";
import { SNAPSHOT } from "./snapshots.ts";

/** What notifiers and the log get of the metadata of an event: neither its snapshot, nor scope and times. */
export function carriedMetadata(metadata: Readonly<Record<string, unknown>>): JsonObject {
  const {
    [SNAPSHOT]: _snapshot,
    [REVISION]: _revision,
    scope: _scope,
    createdAt: _createdAt,
    publishedAt: _publishedAt,
    created_at: _created,
    published_at: _published,
    ...carried
  } = metadata;
  return carried as JsonObject;
}
