import { statSync } from "node:fs";
// With a name of its own: the banner that bundles of CommonJS packages need declares `createRequire`.
import { createRequire as requireFor } from "node:module";
import { pathToFileURL } from "node:url";
import type { SubscriptionDefaults } from "../contract/subscriber.ts";
import { type EventBus, subscribeWith } from "../event-bus.ts";
import { withOneArgument } from "../events/subscriber.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import type { Issue } from "../contract/issue.ts";
import type { Logger } from "../contract/logger.ts";
import { describe } from "../values/arguments.ts";
import { isRecord } from "./check-config.ts";
import type { SubscriberModules, SubscribersSource } from "./config.ts";
import { displayPath, formatIssue, messageOf, whyNotLoaded } from "./config-error.ts";
import { findSubscribers, type SubscriberFile } from "./find-subscribers.ts";
import { type Places, uncompiledReason } from "./places.ts";
import { findDirectory } from "./resolve-source.ts";
import { readSubscriber, type SubscriberDefinition } from "./read-subscriber.ts";
import type { SourceExports, SourceLoader } from "./source-loader.ts";

/** Where a subscriber comes from. */
interface Origin {
  /** Its name in messages. */
  readonly name: string;
  /** The absolute path of its file, if it is one that was looked for. */
  readonly file?: string;
  /** The URL that the file was loaded by. A file that is loaded again has another one. */
  readonly source?: string;
  /** When the file was changed, before it was loaded. */
  readonly version?: bigint;
}

/** A subscriber, and where it comes from. */
interface ReadSubscriber extends SubscriberDefinition {
  readonly origin: Origin;
}

/** A subscriber, and the defaults of those that it is configured with. */
export interface LoadedSubscriber extends ReadSubscriber {
  readonly defaults: SubscriptionDefaults | undefined;
}

interface SubscriberIssue extends Issue {
  readonly origin: Origin;
  readonly cause?: unknown;
}

/** Where subscriber files are looked for, and with what they are loaded. */
export interface SubscriberFiles {
  readonly places: Places;
  readonly loader: SourceLoader;
  /** Warned of a folder that has no subscriber file. */
  readonly logger: Logger;
  /** What was loaded before: a file that has not changed since is not loaded again. None by default. */
  readonly loaded?: readonly LoadedSubscriber[] | undefined;
}

/**
 * Loads subscribers, in the order of their sources. Those of a folder have the order of their ids, and modules
 * that of their keys.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` that lists every file or module that is wrong, and why.
 */
export async function loadSubscribers(
  sources: readonly SubscribersSource[],
  files: SubscriberFiles,
): Promise<readonly LoadedSubscriber[]> {
  const issues: SubscriberIssue[] = [];
  const subscribers: LoadedSubscriber[] = [];
  const seen = new Set<string>();
  for (const each of sources) {
    const source = typeof each === "string" || each instanceof URL ? { folder: each } : each;
    const { defaults } = source;
    const read =
      "modules" in source
        ? readModules(source.modules, issues)
        : await loadFolder(String(source.folder), files, seen, issues);
    subscribers.push(...read.map((subscriber) => ({ ...subscriber, defaults })));
  }
  issues.push(...sharedIds(subscribers));
  if (issues.length > 0) throw subscribersError(issues);
  return subscribers;
}

function readModules(
  modules: SubscriberModules["modules"],
  issues: SubscriberIssue[],
): readonly ReadSubscriber[] {
  return Object.entries(modules).flatMap(([id, exports]: [string, unknown]) => {
    const origin = { name: id };
    if (isRecord(exports)) return readOne(exports, id, origin, issues) ?? [];
    const reason = `must be the exports of a module, not ${describe(exports)}`;
    issues.push({ origin, path: "", reason });
    return [];
  });
}

async function loadFolder(
  folder: string,
  { places, loader, logger, loaded }: SubscriberFiles,
  seen: Set<string>,
  issues: SubscriberIssue[],
): Promise<readonly ReadSubscriber[]> {
  const directory = findDirectory(folder, places);
  const files = list(directory, places, issues);
  if (files?.length === 0) {
    logger.warn(
      { folder: directory },
      `There is no subscriber file in ${displayPath(directory)}: tests, and names that begin with _ or ., are ignored`,
    );
  }
  const subscribers: ReadSubscriber[] = [];
  for (const found of files ?? []) {
    const { file } = found;
    const mistake = seen.has(file)
      ? "is in two of the subscribers folders"
      : uncompiledReason(places, file);
    seen.add(file);
    if (mistake !== undefined) issues.push({ origin: fileOrigin(file), path: "", reason: mistake });
    const before = loaded?.find(({ origin }) => origin.file === file);
    const subscriber =
      mistake === undefined
        ? await loadOne(found, loader, issues, loaded && { before })
        : undefined;
    if (subscriber !== undefined) subscribers.push(subscriber);
  }
  return subscribers;
}

/** A subscriber that the bus refuses, and why. */
export interface RefusedSubscriber {
  readonly subscriber: LoadedSubscriber;
  readonly cause: unknown;
}

/**
 * Subscribes what was loaded. A subscriber takes the place of the earlier one with its id. One that is refused
 * changes nothing, and the others are subscribed.
 *
 * @param earlier - The subscribers that the bus has, by their ids. None by default.
 * @returns The subscribers that the bus refuses.
 */
export function subscribeAll(
  bus: EventBus,
  subscribers: readonly LoadedSubscriber[],
  earlier?: ReadonlyMap<string, LoadedSubscriber>,
): readonly RefusedSubscriber[] {
  const refused: RefusedSubscriber[] = [];
  for (const subscriber of subscribers) {
    try {
      subscribeOne(bus, subscriber, earlier?.get(subscriber.context.subscriberId)?.events);
    } catch (cause) {
      refused.push({ subscriber, cause });
    }
  }
  return refused;
}

/**
 * Makes the error that lists every file that the bus refuses, and why: `BUSBAR_UNSUPPORTED` if all of them ask what the
 * provider cannot do, or else `BUSBAR_INVALID_CONFIG`.
 */
export function refusalError(refused: readonly RefusedSubscriber[]): BusbarError {
  const issues = refused.map(({ subscriber: { origin }, cause }): SubscriberIssue => {
    const place = isBusbarError(cause, "BUSBAR_UNSUPPORTED") ? "" : "config";
    return { origin, path: place, reason: messageOf(cause), cause };
  });
  const error = subscribersError(issues);
  const causes = refused.map(({ cause }) => cause);
  const unsupported = causes.filter((cause) => isBusbarError(cause, "BUSBAR_UNSUPPORTED"));
  const [first] = unsupported;
  if (!first || unsupported.length < causes.length) return error;
  return new BusbarError(first.code, error.message, first.details, { cause: error.cause });
}

function subscribeOne(
  bus: EventBus,
  subscriber: LoadedSubscriber,
  replaces: readonly string[] | undefined,
): void {
  const { origin, handler, events, context, defaults } = subscriber;
  const { file, source } = origin;
  subscribeWith(bus, events, withOneArgument(handler, context), context, {
    defaults,
    replaces,
    site: file !== undefined && source !== undefined ? { file, source } : undefined,
  });
}

function list(
  directory: string,
  { extensions }: Places,
  issues: SubscriberIssue[],
): readonly SubscriberFile[] | undefined {
  try {
    return findSubscribers(directory, extensions);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const reason =
      code === "ENOENT"
        ? "there is no such folder"
        : code === "ENOTDIR"
          ? "is not a folder"
          : `cannot be read: ${messageOf(cause)}`;
    issues.push({ origin: fileOrigin(directory), path: "", reason, cause });
    return undefined;
  }
}

async function loadOne(
  { file, id }: SubscriberFile,
  loader: SourceLoader,
  issues: SubscriberIssue[],
  again: { readonly before: ReadSubscriber | undefined } | undefined,
): Promise<ReadSubscriber | undefined> {
  const url = pathToFileURL(file);
  // Read first: a change while the file is loaded is found by the next look.
  const version = statSync(file, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? 0n;
  if (again?.before?.origin.version === version) return again.before;
  // It may have been there before, and gone in between.
  if (again !== undefined) {
    url.searchParams.set("busbar-version", String(version));
    // Of a CommonJS file Node looks at the path alone.
    Reflect.deleteProperty(requireFor(file).cache, file);
  }
  const origin = { ...fileOrigin(file), source: url.href, version };
  let exports: SourceExports;
  try {
    exports = await loader.load(url);
  } catch (cause) {
    issues.push({ origin, path: "", reason: `cannot be loaded: ${whyNotLoaded(cause)}`, cause });
    return undefined;
  }
  return readOne(exports, id, origin, issues);
}

function readOne(
  exports: SourceExports,
  id: string,
  origin: Origin,
  issues: SubscriberIssue[],
): ReadSubscriber | undefined {
  const read = readSubscriber(exports, id);
  if ("handler" in read) return { origin, ...read };
  issues.push(...read.map((issue) => ({ origin, ...issue })));
  return undefined;
}

function fileOrigin(file: string): Origin {
  return { name: displayPath(file), file };
}

/** An id, or an alias, may belong to one file only: two would take each other's events. */
function sharedIds(subscribers: readonly LoadedSubscriber[]): readonly SubscriberIssue[] {
  const owners = new Map<string, Origin>();
  const issues: SubscriberIssue[] = [];
  for (const { origin, context } of subscribers) {
    for (const id of new Set([context.subscriberId, ...(context.aliases ?? [])])) {
      const owner = owners.get(id);
      owners.set(id, owner ?? origin);
      if (owner === undefined) continue;
      const reason = `the id "${id}" belongs to ${owner.name}: give one of them a subscriberId of its own`;
      issues.push({ origin, path: "", reason });
    }
  }
  return issues;
}

function subscribersError(
  issues: readonly SubscriberIssue[],
): BusbarError<"BUSBAR_INVALID_CONFIG"> {
  const lines = issues.map((issue) => `${issue.origin.name}: ${formatIssue(issue)}`);
  const names = new Set(issues.map(({ origin }) => origin.name));
  const causes = issues.map((issue) => issue.cause).filter((cause) => cause !== undefined);
  const cause = causes.length > 1 ? new AggregateError(causes) : causes[0];
  return new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    names.size === 1 ? `Subscriber ${lines.join("; ")}` : `Subscribers:\n  ${lines.join("\n  ")}`,
    {
      file: names.size === 1 ? issues[0]!.origin.file : undefined,
      issues: issues.map(({ origin: { name }, path: place, reason }) => ({
        path: place === "" ? name : `${name}: ${place}`,
        reason,
      })),
    },
    cause === undefined ? undefined : { cause },
  );
}
