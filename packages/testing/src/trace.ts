import type { Clock, Envelope } from "@busbar/core/provider";

const SHOWN_CHARACTERS = 160;

/** Something that happened. */
export interface TraceEntry {
  /** Milliseconds of the provider's time since it was made. */
  readonly atMs: number;
  /** Such as `emitted`, `delivered`, `acknowledged` or `comes late`. */
  readonly what: string;
  /** The event's name and its number in this trace, such as `order.placed #2`. */
  readonly event: string;
  /** To whom or why; for an emit the data. */
  readonly detail: string;
}

/** What happened, in order. */
export class Trace {
  readonly #clock: Clock;
  readonly #startedAt: number;
  #entries: TraceEntry[] = [];
  /** Numbers instead of ids: they are the same when the same happens again. */
  readonly #numbers = new Map<string, number>();
  /** Grows with every entry. */
  changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  get entries(): readonly TraceEntry[] {
    return this.#entries;
  }

  add(what: string, envelope: Envelope, detail: string): void {
    this.changes += 1;
    this.#entries.push({
      atMs: this.#clock.monotonic() - this.#startedAt,
      what,
      event: `${envelope.name} ${this.#numberOf(envelope.id)}`,
      detail,
    });
  }

  clear(): void {
    this.#entries = [];
  }

  #numberOf(id: string): string {
    const number = this.#numbers.get(id) ?? this.#numbers.size + 1;
    this.#numbers.set(id, number);
    return `#${number}`;
  }
}

/** A trace for people, one line for each entry. */
export function formatTrace(entries: readonly TraceEntry[]): readonly string[] {
  const times = entries.map(({ atMs }) => `+${atMs} ms`);
  const timeWidth = Math.max(0, ...times.map(({ length }) => length));
  const whatWidth = Math.max(0, ...entries.map(({ what }) => what.length));
  return entries.map(({ what, event, detail }, index) => {
    const shown =
      detail.length > SHOWN_CHARACTERS ? `${detail.slice(0, SHOWN_CHARACTERS)}…` : detail;
    const time = (times[index] ?? "").padStart(timeWidth);
    return `${time}  ${what.padEnd(whatWidth)}  ${event} ${shown}`;
  });
}
