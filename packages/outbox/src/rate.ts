import type { Clock } from "@busbar/core/provider";

const SLOT_MS = 1_000;
const SLOTS = 60;

/** Events per second, over the last minute or since the start, whichever is shorter. */
export class Rate {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #slots: { at: number; count: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  add(count: number): void {
    const at = Math.floor(this.#clock.monotonic() / SLOT_MS);
    const last = this.#slots.at(-1);
    if (last?.at === at) last.count += count;
    else this.#slots.push({ at, count });
    if (this.#slots.length > SLOTS) this.#slots.shift();
  }

  get perSecond(): number {
    const now = this.#clock.monotonic();
    const from = Math.floor(now / SLOT_MS) - SLOTS;
    const recent = this.#slots.filter(({ at }) => at > from);
    const seconds = Math.min(SLOTS, Math.max(1, (now - this.#startedAt) / 1_000));
    return recent.reduce((sum, { count }) => sum + count, 0) / seconds;
  }
}
