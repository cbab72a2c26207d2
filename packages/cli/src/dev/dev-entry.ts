import type { JsonValue } from "@busbar/core/provider";
import type { Paint, Style } from "../output/text.ts";
import { printable } from "../output/text.ts";

/** The event that an entry is about. */
interface EntryEvent {
  readonly id: string;
  readonly name: string;
}

/** A delivery that an entry is about. */
interface EntryDelivery {
  readonly event: EntryEvent;
  readonly subscriberId: string;
  readonly attempt: number;
}

/** What `busbar dev` writes: what happens to events in the application, and what is wrong with it. */
export type DevEntry =
  | {
      readonly type: "emitted";
      readonly event: EntryEvent;
      /** How many subscriptions the event goes to. */
      readonly subscriptions: number;
      /** Absent if another process has emitted the event. */
      readonly data?: JsonValue | undefined;
    }
  | (EntryDelivery & {
      readonly type: "delivered";
      readonly durationMs: number | undefined;
      /** Whether it is the second delivery that `--twice` makes. */
      readonly again: boolean;
    })
  | (EntryDelivery & {
      readonly type: "failed";
      readonly attempts: number;
      readonly error: string;
      /** Where the error was thrown, in the application. */
      readonly at?: string | undefined;
      readonly delayMs: number | undefined;
    })
  | (EntryDelivery & { readonly type: "dead"; readonly reason: string; readonly error: string })
  | (EntryDelivery & { readonly type: "released"; readonly reason: string })
  | {
      readonly type: "reloaded";
      readonly added: readonly string[];
      readonly changed: readonly string[];
      readonly removed: readonly string[];
    }
  | { readonly type: "warning"; readonly message: string };

const STYLES: Readonly<Record<DevEntry["type"], Style>> = {
  emitted: "cyan",
  delivered: "green",
  failed: "red",
  dead: "red",
  released: "dim",
  reloaded: "bold",
  warning: "yellow",
};
const WIDTH = Math.max(...Object.keys(STYLES).map((type) => type.length));
/** Characters of data on a line. */
const MOST_DATA = 500;

/** Writes an entry on one line, for a person who reads along. */
export function entryLine(entry: DevEntry, time: Date, paint: Paint): string {
  const clock = time.toTimeString().slice(0, 8);
  const type = paint(STYLES[entry.type], entry.type.padEnd(WIDTH));
  return `${paint("dim", clock)} ${type} ${printable(textOf(entry)).replaceAll("\n", " ")}`;
}

function textOf(entry: DevEntry): string {
  switch (entry.type) {
    case "emitted": {
      const data = entry.data === undefined ? "" : ` ${JSON.stringify(entry.data)}`;
      const cut = data.length > MOST_DATA ? `${data.slice(0, MOST_DATA)}…` : data;
      const unwanted = entry.subscriptions === 0 ? " (no subscription wants it)" : "";
      return `${entry.event.name}${cut}${unwanted}`;
    }
    case "delivered": {
      const took = entry.durationMs === undefined ? "" : ` in ${Math.round(entry.durationMs)} ms`;
      return `${delivery(entry)}${entry.again ? " a second time" : ""}${took}`;
    }
    case "failed": {
      const { attempt, attempts, delayMs } = entry;
      const later = delayMs === undefined ? "" : `, runs again in ${Math.round(delayMs)} ms`;
      const at = entry.at === undefined ? "" : ` at ${entry.at}`;
      return `${delivery(entry)}, attempt ${attempt} of ${attempts}${later}: ${entry.error}${at}`;
    }
    case "dead":
      return `${delivery(entry)} (${entry.reason}): ${entry.error}`;
    case "released":
      return `${delivery(entry)} (${entry.reason})`;
    case "reloaded":
      return (["added", "changed", "removed"] as const)
        .filter((what) => entry[what].length > 0)
        .map((what) => `${what} ${entry[what].join(", ")}`)
        .join("; ");
    case "warning":
      return entry.message;
  }
}

function delivery({ event, subscriberId }: EntryDelivery): string {
  return `${event.name} to ${subscriberId}`;
}
