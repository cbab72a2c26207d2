import type { ProviderContext, Timer } from "@busbar/core/provider";
import type { Claim, ClaimedLine } from "./claim.ts";
import type { LonePlace, LonePlaces } from "./lone-place.ts";

/** Milliseconds after which what has not begun is given back: other processes may have free slots. */
const GIVE_BACK_MS = 100;
/** Milliseconds that the events of a claim should last. */
const LAST_MS = 50;
/** Events that one claim asks for at most. */
const MOST_EVENTS = 1_000;

/** How a claim is made. */
export interface ClaimRequest {
  /** How many events are wanted. */
  readonly events: number;
  /** Whether a suspect may come. */
  readonly takesSuspect: boolean;
  /** Whether a crash counts for a delivery that comes alone. */
  readonly countsAlone: boolean;
  /** The row for which a crash counts no more if anything comes. */
  readonly company: string | undefined;
}

/** What {@link createPrefetch} needs. */
export interface PrefetchOptions {
  readonly context: Pick<ProviderContext, "clock" | "logger">;
  readonly places: LonePlaces;
  /** Deliveries at the same time. */
  readonly concurrency: number;
  /** Takes deliveries. */
  readonly claim: (request: ClaimRequest) => Promise<Claim>;
  /** A crash counts no more for this row. */
  readonly trust: (row: string) => Promise<unknown>;
  /** There may be something to fetch. */
  readonly wake: () => void;
  /** Gives lines back that have not begun. Resolves when that is recorded. */
  readonly giveBack: (lines: readonly ClaimedLine[]) => Promise<unknown>;
}

/** The lines that a consumer has in flight before they begin. */
export interface Prefetch {
  /** Takes up to `limit` lines, and claims more if there are none. */
  take(limit: number): Promise<readonly ClaimedLine[]>;
  /** The next `take` looks into the database, whatever there is: it may have a suspect. */
  look(): void;
  /** A delivery has ended. */
  ended(): void;
  /** Claims no more, and gives back what has not begun. */
  close(): Promise<void>;
}

/**
 * Claims ahead, so that a free slot need not wait for the database: the quicker the handlers, the more. Whatever has not
 * begun after a while goes back, with the next claims asking for less.
 */
export function createPrefetch(options: PrefetchOptions): Prefetch {
  const { context, places, concurrency, trust, wake, giveBack } = options;
  const { clock, logger } = context;
  let lines: ClaimedLine[] = [];
  /** How many events a claim asks for. */
  let events = concurrency;
  let claimedAt = Number.NEGATIVE_INFINITY;
  /** Whether the last claim has brought all that there was. */
  let isLast = true;
  let lastCount = 0;
  /** Deliveries that have ended since the last claim. */
  let ended = 0;
  /** Milliseconds that the last claim took. */
  let tookMs = 0;
  /** When the first of the lines may have come. */
  let oldestAt = claimedAt;
  let looks = true;
  let isClosed = false;
  let claiming: Promise<void> | undefined;
  let backTimer: Timer | undefined;
  let dueTimer: Timer | undefined;

  async function claim(takesPlace: boolean): Promise<void> {
    const asked = events;
    const from = clock.monotonic();
    const company = places.taken?.row;
    const place = takesPlace ? places.take() : undefined;
    let lone: ClaimedLine | undefined;
    try {
      const claimed = await options.claim({
        events: asked,
        takesSuspect: place !== undefined,
        countsAlone: place !== undefined && places.inFlight === 0,
        company,
      });
      lone = claimed.lines.find(({ isAlone }) => isAlone);
      if (lone && place) {
        place.row = lone.row.id;
        place.isSuspect = lone.suspicions > 0;
        lone.place = place;
      }
      if (claimed.lines.length > 0) await endLoneliness(place, company);
      places.inFlight += claimed.lines.length;
      tookMs = clock.monotonic() - from;
      accept(claimed, asked);
    } finally {
      if (!lone) place?.free();
    }
  }

  /** What has just come is company for what ran alone, in another consumer of the process too, and the other way round. */
  async function endLoneliness(
    own: LonePlace | undefined,
    told: string | undefined,
  ): Promise<void> {
    const other = places.taken === own && places.inFlight === 0 ? undefined : places.taken;
    if (!other?.row || other.isSuspect) return;
    const { row } = other;
    other.free();
    if (row !== told) await trust(row);
  }

  function accept({ lines: found, dueInMs }: Claim, asked: number): void {
    isLast = found.length < asked;
    claimedAt = clock.monotonic();
    lastCount = found.length;
    ended = 0;
    if (lines.length === 0) oldestAt = claimedAt;
    const before = lines;
    lines = [];
    // A suspect begins before others: it has the only place.
    for (const line of found) if (line.suspicions > 0) lines.push(line);
    lines.push(...before);
    for (const line of found) if (line.suspicions === 0) lines.push(line);
    dueTimer?.cancel();
    if (dueInMs !== undefined) dueTimer = clock.setTimeout(wake, Math.max(1, dueInMs));
    if (lines.length > 0) backTimer ??= clock.setTimeout(giveBackOld, GIVE_BACK_MS);
  }

  function giveBackOld(): void {
    backTimer = undefined;
    if (lines.length === 0) return;
    const ageMs = clock.monotonic() - oldestAt;
    if (ageMs < GIVE_BACK_MS) {
      backTimer = clock.setTimeout(giveBackOld, GIVE_BACK_MS - ageMs);
      return;
    }
    isLast = true;
    // Nothing is claimed before they are back: they come before others.
    const before = claiming;
    void hold(async () => {
      await before?.catch(() => undefined);
      await giveBack(lines.splice(0));
    });
  }

  /** One claim at a time is under way. */
  function hold(work: () => Promise<void>): Promise<void> {
    const held = work().finally(() => {
      if (claiming === held) claiming = undefined;
    });
    claiming = held;
    return held;
  }

  async function ahead(): Promise<void> {
    try {
      await claim(false);
      if (lines.length > 0) wake();
    } catch (err) {
      logger.warn({ err }, "Deliveries could not be claimed ahead; will try again");
    }
  }

  /** Sets how many events the next claim asks for: as many as can begin until the one after it. */
  function adapt(limit: number): void {
    const perMs = ended / Math.max(1, clock.monotonic() - claimedAt);
    const expected = Math.ceil(perMs * (LAST_MS + tookMs));
    events = Math.max(limit, Math.min(expected, events * 2, MOST_EVENTS));
  }

  return {
    async take(limit) {
      while (claiming && lines.length === 0) await claiming;
      if ((lines.length === 0 || looks) && !claiming && !isClosed) {
        looks = false;
        adapt(limit);
        await hold(() => claim(true));
      }
      const some = lines.splice(0, limit);
      // Those that are left came with the last claim.
      if (lines.length <= lastCount) oldestAt = claimedAt;
      if (ended > 0 && !isLast && lines.length <= events / 2 && !claiming && !isClosed) {
        adapt(concurrency);
        void hold(ahead);
      }
      return some;
    },

    look() {
      looks = true;
    },

    ended() {
      ended += 1;
    },

    async close() {
      isClosed = true;
      dueTimer?.cancel();
      await claiming?.catch(() => undefined);
      backTimer?.cancel();
      await giveBack(lines.splice(0));
    },
  };
}
