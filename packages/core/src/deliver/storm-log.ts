import type { Clock, Timer } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import { messageOf } from "../errors/thrown.ts";

/** Lines of a kind that are written whole in a second, before the others are summed up. */
const WHOLE_LINES = 10;
const WINDOW_MS = 1_000;
/** Different lines that are told apart in a second. */
const MOST_GROUPS = 100;

/** A line that may come thousands of times in a second. */
export interface StormLine {
  readonly level: "warn" | "error";
  /** What is counted, such as `dead letters`. */
  readonly kind: string;
  /** `subscriberId`, `scheduleId`, `reason` and what `err` says, apart from its numbers, tell lines apart. */
  readonly fields: {
    readonly subscriberId?: string | undefined;
    readonly scheduleId?: string | undefined;
    readonly reason?: string | undefined;
    readonly err?: unknown;
    readonly [name: string]: unknown;
  };
  readonly message: string;
  /** How many the line stands for. @default 1 */
  readonly count?: number | undefined;
}

/** Lines that are alike. */
interface Group {
  readonly example: StormLine;
  count: number;
}

/** What is known of one kind. */
interface Storm {
  windowFrom: number;
  wholeLeft: number;
  /** What was not written in this window. */
  readonly groups: Map<string, Group>;
  count: number;
  timer: Timer | undefined;
}

/**
 * Logs what may come in storms, as when a database is away and every handler fails: the first {@link WHOLE_LINES}
 * lines of a kind in a second as they are, and then one line a second with their number and the most frequent one.
 */
export class StormLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #storms = new Map<string, Storm>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  write(line: StormLine): void {
    const now = this.#clock.monotonic();
    const storm = this.#stormOf(line.kind);
    if (!storm.timer && now - storm.windowFrom >= WINDOW_MS) {
      storm.windowFrom = now;
      storm.wholeLeft = WHOLE_LINES;
    }
    if (storm.wholeLeft > 0) {
      storm.wholeLeft -= 1;
      this.#logger[line.level](line.fields, line.message);
      return;
    }
    count(storm, line);
    const leftMs = storm.windowFrom + WINDOW_MS - now;
    storm.timer ??= this.#clock.setTimeout(() => this.#sumUp(storm), leftMs);
  }

  /** Writes what has not been written yet. */
  close(): void {
    for (const storm of this.#storms.values()) this.#sumUp(storm);
  }

  #stormOf(kind: string): Storm {
    let storm = this.#storms.get(kind);
    if (!storm) {
      const windowFrom = Number.NEGATIVE_INFINITY;
      storm = { windowFrom, wholeLeft: 0, groups: new Map(), count: 0, timer: undefined };
      this.#storms.set(kind, storm);
    }
    return storm;
  }

  /** Ends a window in which lines were left out. In the next one all of them are: the storm goes on. */
  #sumUp(storm: Storm): void {
    storm.timer?.cancel();
    storm.timer = undefined;
    storm.windowFrom = this.#clock.monotonic();
    storm.wholeLeft = 0;
    const [most] = [...storm.groups.values()].toSorted((a, b) => b.count - a.count);
    if (!most) return;
    const { level, kind, fields, message } = most.example;
    this.#logger[level](
      { ...fields, count: storm.count, alike: most.count },
      `${storm.count} more ${kind} within a second, ${most.count} of them like this one: ${message}`,
    );
    storm.groups.clear();
    storm.count = 0;
  }
}

function count(storm: Storm, line: StormLine): void {
  const { subscriberId = "", scheduleId = "", reason = "", err } = line.fields;
  const said = err === undefined ? "" : messageOf(err).replaceAll(/\d+/g, "#");
  const key = `${subscriberId}${scheduleId} ${reason} ${said}`;
  const by = line.count ?? 1;
  storm.count += by;
  const group = storm.groups.get(key);
  if (group) group.count += by;
  else if (storm.groups.size < MOST_GROUPS) storm.groups.set(key, { example: line, count: by });
}
