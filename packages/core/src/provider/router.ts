import { quoted } from "../errors/quoted.ts";
/** Dynamic names (`cart.4711.changed`) must not fill the memory: beyond this, the cache starts afresh. */
const MAX_CACHED_NAMES = 10_000;

/** The part of a subscription that a {@link Router} needs. */
export interface RoutedSubscription {
  /** The subscription that an event goes to. */
  readonly subscriptionId: string;
  /** Names and patterns. */
  readonly events: readonly string[];
}

/** Finds the subscriptions that want an event. */
export interface Router {
  /**
   * Adds events to those that a subscription wants.
   *
   * @throws TypeError when one of them is a malformed pattern; none was added.
   */
  add(subscriptionId: string, events: readonly string[]): void;
  /** Removes events from those that a subscription wants: all, when `events` is absent. */
  remove(subscriptionId: string, events?: readonly string[]): void;
  /** Ids of the subscriptions that want an event of this name, each once. */
  match(name: string): readonly string[];
}

interface PatternRoute {
  readonly segments: readonly string[];
  readonly subscriptionIds: Set<string>;
}

/**
 * Makes a {@link Router}. What it finds is kept per name, so that matching costs one look-up for a
 * name seen before.
 */
export function createRouter(subscriptions: Iterable<RoutedSubscription> = []): Router {
  const exact = new Map<string, Set<string>>();
  const patterns = new Map<string, PatternRoute>();
  const cache = new Map<string, readonly string[]>();
  // The name asked for last, and what was found: most often it is asked for again.
  let lastName: string | undefined;
  let lastIds: readonly string[] = [];

  function forget(): void {
    cache.clear();
    lastName = undefined;
  }

  function add(subscriptionId: string, events: readonly string[]): void {
    for (const event of events) assertPattern(event);
    for (const event of events) {
      if (isPattern(event)) {
        let route = patterns.get(event);
        if (!route) {
          route = { segments: event.split("."), subscriptionIds: new Set() };
          patterns.set(event, route);
        }
        route.subscriptionIds.add(subscriptionId);
      } else {
        const ids = exact.get(event);
        if (ids) ids.add(subscriptionId);
        else exact.set(event, new Set([subscriptionId]));
      }
    }
    forget();
  }

  function removeOne(subscriptionId: string, event: string): void {
    const ids = isPattern(event) ? patterns.get(event)?.subscriptionIds : exact.get(event);
    if (!ids?.delete(subscriptionId) || ids.size > 0) return;
    if (isPattern(event)) patterns.delete(event);
    else exact.delete(event);
  }

  function find(name: string): readonly string[] {
    const found = new Set(exact.get(name));
    if (patterns.size > 0) {
      const segments = name.split(".");
      for (const route of patterns.values()) {
        if (!segmentsMatch(route.segments, segments)) continue;
        for (const id of route.subscriptionIds) found.add(id);
      }
    }
    return [...found];
  }

  for (const { subscriptionId, events } of subscriptions) add(subscriptionId, events);

  return {
    add,

    remove(subscriptionId, events) {
      const gone = events ?? [...exact.keys(), ...patterns.keys()];
      for (const event of gone) removeOne(subscriptionId, event);
      forget();
    },

    match(name) {
      if (name === lastName) return lastIds;
      let ids = cache.get(name);
      if (!ids) {
        ids = find(name);
        if (cache.size >= MAX_CACHED_NAMES) cache.clear();
        cache.set(name, ids);
      }
      lastName = name;
      lastIds = ids;
      return ids;
    },
  };
}

/** Whether an event of a subscription is a pattern rather than a name. */
export function isPattern(event: string): boolean {
  return event.includes("*");
}

/**
 * Checks the syntax of a pattern. A name without `*` passes.
 *
 * @throws TypeError when `**` is not the last segment, or `*` is only a part of one.
 */
export function assertPattern(pattern: string): void {
  if (!isPattern(pattern)) return;
  const segments = pattern.split(".");
  for (const [index, segment] of segments.entries()) {
    if (segment === "*" || !segment.includes("*")) continue;
    if (segment !== "**") {
      throw new TypeError(
        `Pattern ${quoted(pattern)} is malformed: * stands for a whole segment, such as order.*`,
      );
    }
    if (index !== segments.length - 1) {
      throw new TypeError(
        `Pattern ${quoted(pattern)} is malformed: ** may only be the last segment, such as order.**`,
      );
    }
  }
}

/**
 * Whether a pattern fits a name: `*` alone fits every name, a segment `*` exactly one segment, and a
 * last `**` one or more. A pattern without `*` fits the name that equals it.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  if (!isPattern(pattern)) return pattern === name;
  return segmentsMatch(pattern.split("."), name.split("."));
}

function segmentsMatch(pattern: readonly string[], name: readonly string[]): boolean {
  if (pattern.length === 1 && pattern[0] === "*") return true;
  const last = pattern.length - 1;
  const open = pattern[last] === "**";
  if (open ? name.length < pattern.length : name.length !== pattern.length) return false;
  const end = open ? last : pattern.length;
  for (let index = 0; index < end; index++) {
    if (pattern[index] !== "*" && pattern[index] !== name[index]) return false;
  }
  return true;
}
