import type { EventCatalogue } from "@busbar/core";
import { matchesPattern, nearestHint, quoted } from "@busbar/core/provider";

/** Warns of what is easily overlooked while one writes an application. Each warning is given once. */
export interface Warnings {
  /** An event was emitted. */
  emitted(name: string): void;
  /** An event was emitted outside of a transaction, by an application that has an outbox. */
  outsideTransaction(name: string): void;
  /** The second delivery of an event has failed. */
  failedAgain(subscriberId: string, name: string, error: string): void;
  /** The second delivery of an event has emitted another event, which the first one had emitted already. */
  emittedAgain(subscriberId: string, name: string): void;
  /** A run has ended. */
  ran(subscriberId: string, name: string, durationMs: number | undefined): void;
  /** These subscriptions exist now. */
  subscribed(subscriptions: Iterable<{ subscriberId: string; events: readonly string[] }>): void;
}

/** What {@link createWarnings} is given. */
export interface WarningsOptions {
  /** Writes a warning. */
  readonly warn: (message: string) => void;
  /** The catalogue of the application, if it has one. */
  readonly catalogue: Pick<EventCatalogue<object>, "schemas"> | undefined;
  /** Names that plugins declare. */
  readonly declared: () => readonly string[];
  /** Milliseconds after which a handler is slow. */
  readonly slowMs: number;
}

/** Makes {@link Warnings}. */
export function createWarnings({ warn, catalogue, declared, slowMs }: WarningsOptions): Warnings {
  const given = new Set<string>();
  const once = (message: string): void => {
    if (given.has(message)) return;
    given.add(message);
    warn(message);
  };
  const names = (): readonly string[] => [...Object.keys(catalogue?.schemas ?? {}), ...declared()];
  return {
    emitted(name) {
      if (catalogue === undefined || names().includes(name)) return;
      once(`The event ${quoted(name)} is not in the catalogue${nearestHint(name, names())}`);
    },
    outsideTransaction(name) {
      once(
        `The event ${quoted(name)} was emitted outside of a transaction. If the process crashes after a commit, the event is lost: use bus.withTransaction(tx).emit(…)`,
      );
    },
    failedAgain(subscriberId, name, error) {
      once(
        `Subscription ${quoted(subscriberId)} is not safe to repeat: the first delivery of ${quoted(name)} succeeded, and the second failed: ${error}`,
      );
    },
    emittedAgain(subscriberId, name) {
      once(
        `Subscription ${quoted(subscriberId)} is not safe to repeat: it emitted ${quoted(name)} again. Emit it with a deduplicationId, or with the inbox`,
      );
    },
    ran(subscriberId, name, durationMs = 0) {
      if (durationMs <= slowMs) return;
      const took = Math.round(durationMs);
      warn(
        `Subscription ${quoted(subscriberId)} took ${took} ms for ${quoted(name)}: more than ${slowMs} ms`,
      );
    },
    subscribed(subscriptions) {
      if (catalogue === undefined) return;
      const known = names();
      for (const { subscriberId, events } of subscriptions) {
        for (const event of events) {
          if (known.some((name) => matchesPattern(event, name))) continue;
          once(
            `Subscription ${quoted(subscriberId)} wants ${quoted(event)}, and the catalogue has no such event${nearestHint(event, known)}`,
          );
        }
      }
    },
  };
}
