import type { DeadLine, RowSettlement, WaitingLines } from "./settle-statement.ts";

/** How lines of a row wait again. */
export interface Again {
  readonly members: readonly number[];
  /** Absent: at once, and in their old place. */
  readonly delayMs?: number | undefined;
  readonly crashes?: number | undefined;
  readonly suspicions?: number | undefined;
  readonly state?: string | null | undefined;
}

/** A row that this process has in flight, and what is to be recorded of it. */
export class RowInFlight {
  readonly id: string;
  readonly lease: string;
  readonly #onGone: () => void;
  readonly #left: Set<number>;
  #recorded: string;
  #again: Again[] = [];
  #dead: Omit<DeadLine, "id">[] = [];
  #onRecorded: (() => void)[] = [];

  /** @param onGone The row is recorded as settled, and this process has it no more. */
  constructor(id: string, lease: string, members: readonly number[], onGone: () => void) {
    this.id = id;
    this.lease = lease;
    this.#onGone = onGone;
    this.#left = new Set(members);
    this.#recorded = arrayOf(members);
  }

  /** Whether all lines are settled. */
  get isDone(): boolean {
    return this.#left.size === 0;
  }

  acknowledge(member: number): void {
    this.#left.delete(member);
  }

  waitAgain(again: Again): void {
    for (const member of again.members) this.#left.delete(member);
    this.#again.push(again);
  }

  die(dead: Omit<DeadLine, "id">): void {
    this.#left.delete(dead.member);
    this.#dead.push(dead);
  }

  /** Resolves once everything that is to be recorded at the moment is recorded. */
  whenRecorded(): Promise<void> {
    return new Promise((resolve) => this.#onRecorded.push(resolve));
  }

  /** What is to be recorded now. Call `recorded` once it is. */
  get settlement(): {
    readonly row: RowSettlement;
    readonly again: readonly WaitingLines[];
    readonly dead: readonly DeadLine[];
    recorded(): void;
  } {
    const { id, lease } = this;
    const again = [...this.#again];
    const dead = [...this.#dead];
    const left = [...this.#left];
    const resolvers = this.#onRecorded;
    this.#onRecorded = [];
    return {
      row: { id, lease, before: this.#recorded, left: left.length === 0 ? null : arrayOf(left) },
      again: again.map((it) => ({
        id,
        members: arrayOf(it.members),
        delay_ms: it.delayMs === undefined ? null : Math.ceil(it.delayMs),
        crashes: it.crashes ?? 0,
        suspicions: it.suspicions ?? 0,
        state: it.state ?? null,
      })),
      dead: dead.map((it) => ({ id, ...it })),
      recorded: () => {
        this.#recorded = arrayOf(left);
        this.#again = this.#again.slice(again.length);
        this.#dead = this.#dead.slice(dead.length);
        if (left.length === 0) this.#onGone();
        for (const resolve of resolvers) resolve();
      },
    };
  }
}

function arrayOf(members: readonly number[]): string {
  return `{${members.join()}}`;
}
