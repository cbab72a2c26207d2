import type { Clock } from "../contract/clock.ts";
import type { ProviderAdmin, SubscriptionStats } from "../contract/provider.ts";
import { BusbarError, type UnsettledEvent } from "../errors/errors.ts";
import { cut, escapeControls, quoted } from "../errors/quoted.ts";
import type {
  RunningSubscriptions,
  SettlementTracker,
  TrackedEvent,
  UnsettledTrees,
} from "../causality/settlement-tracker.ts";

const POLL_EVERY_MS = 50;
const DEFAULT_TIMEOUT_MS = 10_000;
const SHOWN_LINES = 100;
const NOTHING: UnsettledTrees = { unsettled: [], omitted: 0 };

/** Options of `settled`. */
export interface SettledOptions {
  /**
   * Waits for this event and all that was emitted because of it; by default for everything. An id of which
   * the bus knows nothing is settled: it forgets events once they are.
   */
  readonly eventId?: string | undefined;
  /**
   * Milliseconds.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits for the tree of an event, or for all, where every delivery runs in this process. Resolves with
 * false when the tracker has lost track.
 */
export async function settledHere(
  tracker: SettlementTracker,
  clock: Clock,
  running: RunningSubscriptions,
  { eventId, timeoutMs = DEFAULT_TIMEOUT_MS }: SettledOptions,
): Promise<boolean> {
  while (tracker.isExact) {
    const events = eventId === undefined ? undefined : tracker.withId(eventId);
    await waitUntilSettled(tracker, clock, running, events, timeoutMs);
    // The provider applies the last settlement after the tracker has heard of it.
    // Not the global one, which fake timers of a test replace.
    const { setImmediate } = await import("node:timers");
    await new Promise((resolve) => setImmediate(resolve));
    const isLeft = eventId === undefined ? !tracker.isIdle : tracker.withId(eventId).length > 0;
    if (tracker.isExact && !isLeft) return true;
  }
  return false;
}

/** Waits until the queues are empty, and have been for as long as numbers lag behind, where other processes take part. */
export async function settledEverywhere(
  admin: ProviderAdmin,
  lagMs: number,
  clock: Clock,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: SettledOptions,
): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  let emptySince: number | undefined;
  for (;;) {
    const lookedAt = clock.monotonic();
    const waiting = (await admin.stats()).filter((stats) => backlogOf(stats) > 0);
    emptySince = waiting.length > 0 ? undefined : (emptySince ?? lookedAt);
    if (emptySince !== undefined && lookedAt - emptySince >= lagMs) return;
    if (clock.monotonic() >= deadline) {
      const lines = waiting.map(
        (stats) => `${stats.subscriptionId}: ${backlogOf(stats)} deliveries`,
      );
      const numbers =
        lagMs > 0
          ? `, or the numbers, which lag behind by up to ${lagMs} ms, have yet to show it`
          : "";
      throw notSettled(`The queues are not empty${numbers}`, timeoutMs, NOTHING, lines);
    }
    await new Promise<void>((resolve) =>
      clock.setTimeout(resolve, POLL_EVERY_MS, { keepAlive: true }),
    );
  }
}

function waitUntilSettled(
  tracker: SettlementTracker,
  clock: Clock,
  running: RunningSubscriptions,
  events: readonly TrackedEvent[] | undefined,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const isSettled = events ? events.every((event) => event.isSettled) : tracker.isIdle;
      if (tracker.isExact && !isSettled) return;
      end();
      resolve();
    };
    // The tracker may forget an event before what it caused, unless it is waited for.
    for (const event of events ?? []) event.waiters += 1;
    const stopListening = tracker.onSettled(check);
    const timer = clock.setTimeout(
      () => {
        end();
        const trees = tracker.describe(events, running);
        const what = events ? `Event ${quoted(events[0]?.id ?? "")} is` : "Some events are";
        reject(notSettled(`${what} not settled`, timeoutMs, trees, treeLines(trees.unsettled)));
      },
      timeoutMs,
      { keepAlive: true },
    );
    const end = (): void => {
      for (const event of events ?? []) event.waiters -= 1;
      stopListening();
      timer.cancel();
    };
    check();
  });
}

function notSettled(
  what: string,
  timeoutMs: number,
  { unsettled, omitted }: UnsettledTrees,
  lines: readonly string[],
): BusbarError<"BUSBAR_NOT_SETTLED"> {
  const shown = lines.slice(0, SHOWN_LINES);
  const left = omitted + lines.length - shown.length;
  const more = left > 0 ? `\n… and ${left} more` : "";
  return new BusbarError(
    "BUSBAR_NOT_SETTLED",
    `${what} after ${timeoutMs} ms:\n${shown.join("\n")}${more}`,
    { timeoutMs, unsettled, omitted },
  );
}

/** `order.placed 0198… (2 deliveries)`, with the events that it caused below it. The trees are not deep. */
function treeLines(events: readonly UnsettledEvent[], indent = ""): readonly string[] {
  return events.flatMap((event, index) => {
    const isLast = index === events.length - 1;
    const branch = `${isLast ? "└─" : "├─"} `;
    const below = `${indent}${isLast ? "   " : "│  "}`;
    const open = event.waitingFor.length > 0 ? `: ${event.waitingFor.join(", ")}` : "";
    const count = `${event.deliveries} ${event.deliveries === 1 ? "delivery" : "deliveries"}`;
    return [
      escapeControls(`${indent}${branch}${cut(event.name)} ${cut(event.id)} (${count}${open})`),
      ...treeLines(event.children, below),
    ];
  });
}

function backlogOf({ ready, delayed, inFlight }: SubscriptionStats): number {
  return ready + delayed + inFlight;
}
