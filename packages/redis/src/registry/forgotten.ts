import type { ProviderContext } from "@busbar/core/provider";
import { birthOf } from "../store/registry-script.ts";
import type { Forgotten, RegistrySnapshot } from "./registry.ts";

/**
 * Milliseconds after others have declared theirs, after which a subscription that nobody has declared again is
 * taken to have no process any more. Every process declares every minute.
 */
const DECLARED_WITHIN_MS = 90_000;

/** Subscriptions that Redis has forgotten. */
interface Missing {
  /** What Redis has forgotten once or several times: between them they have all that is missing. */
  readonly lists: readonly RegistrySnapshot[];
  /** Those that nobody has declared again. */
  readonly ids: Set<string>;
  /** Since when others have declared theirs, on the clock's monotonic scale. Undefined: nobody has. */
  readonly since: number | undefined;
}

export function createForgotten({
  clock,
  logger,
  report,
}: Pick<ProviderContext, "clock" | "logger" | "report">): Forgotten {
  let known: RegistrySnapshot | undefined;
  let missing: Missing | undefined;

  function detail(): string | undefined {
    return (
      missing &&
      `Redis has forgotten ${missing.ids.size} subscriptions that no process has declared again: events for them are refused`
    );
  }

  function miss(list: RegistrySnapshot, present: RegistrySnapshot): void {
    const ids = new Set<string>(missing?.ids);
    for (const { subscriptionId, renamedTo, retired, temporary } of list.records.values()) {
      // Whoever waits for one event declares again what it waits with, if it is still there.
      if (renamedTo === undefined && !retired && !temporary) ids.add(subscriptionId);
    }
    for (const id of present.records.keys()) ids.delete(id);
    if (ids.size === 0) return;
    const lists = [...(missing?.lists ?? []), list];
    missing = { lists: lists.filter((it) => hasSome(it, ids)), ids, since: undefined };
    const message = detail() as string;
    logger.error({ subscriptions: [...ids] }, message);
    report({ type: "state", state: "degraded", cause: new Error(message) });
  }

  function find({ lists, ids, since }: Missing, present: RegistrySnapshot): void {
    for (const id of present.records.keys()) ids.delete(id);
    const now = clock.monotonic();
    // While nobody has declared anything, all processes may be about to start.
    const from = present.records.size > 0 ? (since ?? now) : undefined;
    missing = { lists, ids, since: from };
    const isOver = from !== undefined && now - from > DECLARED_WITHIN_MS;
    if (ids.size > 0 && !isOver) return;
    missing = undefined;
    if (ids.size > 0) {
      logger.warn(
        { subscriptions: [...ids], version: lists.at(-1)?.version },
        "Subscriptions that Redis has forgotten were not declared again: they get no more events",
      );
    }
    report({ type: "state", state: "ready" });
  }

  return {
    get isSome() {
      return missing !== undefined;
    },
    get detail() {
      return detail();
    },
    wants: (name) =>
      missing !== undefined &&
      missing.lists.some(({ router }) =>
        router.match(name).some((id) => missing?.ids.has(id) === true),
      ),

    follow(snapshot) {
      if (snapshot === known && !missing) return;
      const before = known;
      known = snapshot;
      const hadSome = before !== undefined && before.records.size > 0;
      if (hadSome && isAnotherList(before.version, snapshot.version)) miss(before, snapshot);
      if (missing) find(missing, snapshot);
    },
  };
}

function hasSome({ records }: RegistrySnapshot, ids: ReadonlySet<string>): boolean {
  return [...ids].some((id) => records.has(id));
}

/** Whether Redis has forgotten a list since, or has an earlier state of it again. */
function isAnotherList(before: string, version: string): boolean {
  return birthOf(before) !== birthOf(version) || numberOf(version) < numberOf(before);
}

function numberOf(version: string): number {
  return Number(version.split("-")[1] ?? 0);
}
