import type { Envelope } from "@busbar/core/provider";
import { type CommonParts, encodeLean } from "../store/stored-events.ts";
import type { Route } from "../registry/routes.ts";

/** Consecutive events with the same targets, priority and delay, encoded once for all targets. */
export interface Run {
  readonly route: Route;
  readonly priority: number;
  readonly delay: number;
  /** Of the first event. */
  readonly name: string;
  readonly hasOtherNames: boolean;
  readonly events: number;
  /** JSON of the events, with commas between. */
  readonly text: string;
  /** As many as the text has, and a comma. */
  readonly bytes: number;
  /** When the oldest of them was published, in milliseconds since the epoch. */
  readonly oldestAt: number;
}

/** The bounds of a run. One event may exceed the bytes alone. */
export interface RunBounds {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** Puts events into runs, in their order. */
export interface Runs {
  add(envelope: Envelope, route: Route, priority: number, delay: number): void;
  /** What comes next is in another run. */
  end(): void;
}

/** The part of what is left of a run's bytes that events are sure to fit in: their sizes differ. */
const SURE_PART = 0.9;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** @param onEnd Called with each run that has ended. */
export function createRuns(
  { maxEvents, maxBytes }: RunBounds,
  common: CommonParts,
  onEnd: (run: Run) => void,
): Runs {
  let run: Mutable<Run> | undefined;
  /** Those of the run that are not encoded yet. */
  let pending: Envelope[] = [];
  /** Bytes of an event among those that were encoded last. */
  let average = maxBytes;

  function append(to: Mutable<Run>, envelopes: readonly Envelope[], text: string): void {
    const bytes = bytesOf(text);
    average = bytes / envelopes.length;
    to.text = to.events === 0 ? text : `${to.text},${text}`;
    to.bytes += bytes;
    to.events += envelopes.length;
    for (const { name, metadata } of envelopes) {
      to.hasOtherNames ||= name !== to.name;
      to.oldestAt = Math.min(to.oldestAt, metadata.published_at);
    }
  }

  function fits(text: string, to: Run): boolean {
    return to.bytes + bytesOf(text) <= maxBytes;
  }

  /** Encodes those that are not yet. Returns the run that the last one is in. */
  function encodePending(first: Mutable<Run>): Mutable<Run> {
    const envelopes = pending;
    pending = [];
    const together = envelopes.length > 1 ? tryEncode(envelopes, common) : undefined;
    if (together !== undefined && fits(together, first)) {
      append(first, envelopes, together);
      return first;
    }
    let last = first;
    for (const envelope of envelopes) {
      const text = encodeLean([envelope], common);
      if (last.events > 0 && !fits(text, last)) {
        onEnd(last);
        last = emptyRun(envelope, last);
      }
      append(last, [envelope], text);
    }
    return last;
  }

  function end(): void {
    if (run) onEnd(encodePending(run));
    run = undefined;
  }

  return {
    add(envelope, route, priority, delay) {
      if (
        run?.route !== route ||
        run.priority !== priority ||
        run.delay !== delay ||
        run.events + pending.length >= maxEvents
      ) {
        end();
        run = emptyRun(envelope, { route, priority, delay });
      }
      pending.push(envelope);
      if (pending.length >= (SURE_PART * (maxBytes - run.bytes)) / average)
        run = encodePending(run);
    },
    end,
  };
}

function emptyRun(
  { name }: Envelope,
  { route, priority, delay }: Pick<Run, "route" | "priority" | "delay">,
): Mutable<Run> {
  return {
    route,
    priority,
    delay,
    name,
    hasOtherNames: false,
    events: 0,
    text: "",
    bytes: 0,
    oldestAt: Number.POSITIVE_INFINITY,
  };
}

/** Undefined where they are together longer than any text can be. */
function tryEncode(envelopes: readonly Envelope[], common: CommonParts): string | undefined {
  try {
    return encodeLean(envelopes, common);
  } catch {
    return undefined;
  }
}

/** With the comma behind it. */
function bytesOf(text: string): number {
  return Buffer.byteLength(text) + 1;
}
