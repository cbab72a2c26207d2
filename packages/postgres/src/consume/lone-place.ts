import type { Clock, Timer } from "@busbar/core/provider";

/** Milliseconds for which a suspect runs alone, the first time. Each further suspicion makes it ten times as long. */
const ALONE_MS = 1_000;
const LONGER = 10;
const MOST_TIMES = 3;

/** The place of a delivery for which a crash of the process counts. */
export interface LonePlace {
  /** The row of the delivery, once it is known. */
  row: string | undefined;
  /** Whether its process has ended before. Otherwise a crash counts for it until the process has anything else in flight. */
  isSuspect: boolean;
  /** A suspect has begun in it. Calls `trust` if it runs for long; the place is then free. */
  begun(suspicions: number, trust: () => void): void;
  /** Gives the place back. Does nothing if it was given back before. */
  free(): void;
}

/**
 * The only lone place of a process. A crash counts for the delivery in it, as it is the only suspect that has begun, or the
 * only delivery at all. A suspect that has run for a while without ending its process is trusted, and the next one begins.
 */
export interface LonePlaces {
  /** Takes the place, if it is free. */
  take(): LonePlace | undefined;
  /** Who has the place. */
  readonly taken: LonePlace | undefined;
  /** How many lines the process has in flight. */
  inFlight: number;
  /** Calls back when a suspect has left the place. Returns a function that ends that. */
  on(callback: () => void): () => void;
}

/** Makes the lone place of a process. */
export function createLonePlaces(clock: Clock): LonePlaces {
  const callbacks = new Set<() => void>();
  let taken: LonePlace | undefined;

  function makePlace(): LonePlace {
    let timer: Timer | undefined;
    const place: LonePlace = {
      row: undefined,
      isSuspect: false,
      begun(suspicions, trust) {
        const aloneMs = ALONE_MS * LONGER ** Math.min(suspicions - 1, MOST_TIMES);
        timer = clock.setTimeout(() => {
          trust();
          place.free();
        }, aloneMs);
      },
      free() {
        timer?.cancel();
        if (taken !== place) return;
        taken = undefined;
        if (place.isSuspect) for (const callback of callbacks) callback();
      },
    };
    return place;
  }

  return {
    take() {
      if (taken) return undefined;
      taken = makePlace();
      return taken;
    },
    get taken() {
      return taken;
    },
    inFlight: 0,
    on(callback) {
      callbacks.add(callback);
      return () => void callbacks.delete(callback);
    },
  };
}
