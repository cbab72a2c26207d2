import path from "node:path";
import { pathToFileURL } from "node:url";
import type { SubscriptionDefaults } from "../contract/subscriber.ts";
import { type EventBus, subscribeWithDefaults } from "../event-bus.ts";
import type { SubscribersFolder } from "./config.ts";
import { toSubscriberArgs } from "../deliver/subscriber-args.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import type { Issue } from "../contract/issue.ts";
import { displayPath, formatIssue, messageOf } from "./config-error.ts";
import { findSubscribers, type SubscriberFile } from "./find-subscribers.ts";
import { readSubscriber, type SubscriberDefinition } from "./read-subscriber.ts";
import type { SourceLoader } from "./source-loader.ts";

/** A subscriber, and the file that it was loaded from. */
export interface LoadedSubscriber extends SubscriberDefinition {
  readonly file: string;
  /** Those of its folder. */
  readonly defaults: SubscriptionDefaults | undefined;
}

interface FileIssue extends Issue {
  readonly file: string;
  readonly cause?: unknown;
}

/**
 * Loads the subscriber files of some folders, in the order of the folders and of the files' ids.
 *
 * @param folders - Their paths are relative to `root`.
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` that lists every file that is wrong, and why.
 */
export async function loadSubscribers(
  folders: readonly SubscribersFolder[],
  root: string,
  loader: SourceLoader,
): Promise<readonly LoadedSubscriber[]> {
  const issues: FileIssue[] = [];
  const subscribers: LoadedSubscriber[] = [];
  const seen = new Set<string>();
  for (const { folder, defaults } of folders) {
    const directory = path.resolve(root, folder);
    for (const found of list(directory, issues)) {
      if (seen.has(found.file)) {
        issues.push({ file: found.file, path: "", reason: "is in two of the subscribers folders" });
        continue;
      }
      seen.add(found.file);
      const subscriber = await loadOne(found, loader, issues);
      if (subscriber !== undefined) subscribers.push({ ...subscriber, defaults });
    }
  }
  issues.push(...sharedIds(subscribers));
  if (issues.length > 0) throw subscribersError(issues);
  return subscribers;
}

/**
 * Subscribes what was loaded.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` that lists every file that the bus refuses, and why.
 * @throws BusbarError `BUSBAR_UNSUPPORTED` for a file that asks what the provider cannot do.
 */
export function subscribeAll(bus: EventBus, subscribers: readonly LoadedSubscriber[]): void {
  const issues: FileIssue[] = [];
  for (const { file, handler, events, context, defaults } of subscribers) {
    try {
      subscribeWithDefaults(
        bus,
        events,
        (event, delivery) => handler(toSubscriberArgs(event, delivery)),
        context,
        defaults,
      );
    } catch (cause) {
      if (isBusbarError(cause, "BUSBAR_UNSUPPORTED")) throw unsupportedBy(file, cause);
      issues.push({ file, path: "config", reason: messageOf(cause), cause });
    }
  }
  if (issues.length > 0) throw subscribersError(issues);
}

function unsupportedBy(file: string, cause: BusbarError<"BUSBAR_UNSUPPORTED">): BusbarError {
  const message = `Subscriber ${displayPath(file)}: ${cause.message}`;
  return new BusbarError(cause.code, message, cause.details, { cause });
}

function list(directory: string, issues: FileIssue[]): readonly SubscriberFile[] {
  try {
    return findSubscribers(directory);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const reason =
      code === "ENOENT"
        ? "there is no such folder"
        : code === "ENOTDIR"
          ? "is not a folder"
          : `cannot be read: ${messageOf(cause)}`;
    issues.push({ file: directory, path: "", reason, cause });
    return [];
  }
}

async function loadOne(
  { file, id }: SubscriberFile,
  loader: SourceLoader,
  issues: FileIssue[],
): Promise<Omit<LoadedSubscriber, "defaults"> | undefined> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await loader.load(pathToFileURL(file));
  } catch (cause) {
    issues.push({ file, path: "", reason: `cannot be loaded: ${messageOf(cause)}`, cause });
    return undefined;
  }
  const read = readSubscriber(exports, id);
  if ("handler" in read) return { file, ...read };
  issues.push(...read.map((issue) => ({ file, ...issue })));
  return undefined;
}

/** An id, or an alias, may belong to one file only: two would take each other's events. */
function sharedIds(subscribers: readonly LoadedSubscriber[]): readonly FileIssue[] {
  const owners = new Map<string, string>();
  const issues: FileIssue[] = [];
  for (const { file, context } of subscribers) {
    for (const id of new Set([context.subscriberId, ...(context.aliases ?? [])])) {
      const owner = owners.get(id);
      owners.set(id, owner ?? file);
      if (owner === undefined) continue;
      const reason = `the id "${id}" belongs to ${displayPath(owner)}: give one of them a subscriberId of its own`;
      issues.push({ file, path: "", reason });
    }
  }
  return issues;
}

function subscribersError(issues: readonly FileIssue[]): BusbarError<"BUSBAR_INVALID_CONFIG"> {
  const lines = issues.map((issue) => `${displayPath(issue.file)}: ${formatIssue(issue)}`);
  const files = new Set(issues.map((issue) => issue.file));
  const causes = issues.map((issue) => issue.cause).filter((cause) => cause !== undefined);
  const cause = causes.length > 1 ? new AggregateError(causes) : causes[0];
  return new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    files.size === 1 ? `Subscriber ${lines.join("; ")}` : `Subscribers:\n  ${lines.join("\n  ")}`,
    {
      file: files.size === 1 ? issues[0]!.file : undefined,
      issues: issues.map(({ file, path: place, reason }) => ({
        path: place === "" ? displayPath(file) : `${displayPath(file)}: ${place}`,
        reason,
      })),
    },
    cause === undefined ? undefined : { cause },
  );
}
