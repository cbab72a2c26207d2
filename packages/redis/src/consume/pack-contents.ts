import { setImmediate } from "node:timers";
import type { Envelope } from "@busbar/core/provider";
import { type BodyReference, numbersIn } from "../store/body-reference.ts";
import { readJobData } from "../store/stored-events.ts";
import { ownEvent, type StoredPack } from "./body-cache.ts";
import type { JobData, TakenJob } from "../store/job-data.ts";

/** How many packs of a body are read in one go. */
const AT_ONCE = 4;

/** The events of a job as they were published, told by their positions. Nobody may change them. */
export interface Originals {
  /** How many of them, from the first on, are at hand. */
  readonly ready: number;
  originalAt(position: number): Envelope;
}

/** Those of a job that has its events in its data: handlers may have changed the ones that they got. */
export function originalsOf({ text, size }: Pick<TakenJob, "text" | "size">): Originals {
  const { events = [] } = readJobData<JobData>(text);
  return { ready: size, originalAt: (position) => events[position] as Envelope };
}

/** What {@link StoredContents} are read by. */
export interface ContentsReader {
  /** Packs of the body by their numbers. */
  load(numbers: readonly number[]): readonly Promise<StoredPack | null | undefined>[];
  /** Resolves, after a turn of the event loop if that is due. */
  takeBreak(): Promise<void>;
  /** Whether other subscriptions of this process may want the same events. */
  isShared(): boolean;
  /** More events may be handed out. */
  onReady(): void;
  /** The events from one position to before another cannot be read. */
  onUnreadable(from: number, end: number, problem: string): void;
}

interface PackInHand {
  readonly number: number;
  /** Position of its first event. */
  readonly from: number;
  readonly size: number;
  /** Which of the pack's events these are, if not all of them. */
  readonly which: readonly number[] | undefined;
  coming?: Promise<StoredPack | null | undefined> | undefined;
  stored?: StoredPack | undefined;
  /** Parsed for this job alone. */
  events?: readonly Envelope[] | undefined;
  unsettled: number;
}

/** Events that are stored in a body, of which a few packs are at hand at a time. */
export class StoredContents implements Originals {
  readonly #reader: ContentsReader;
  readonly #packs: readonly PackInHand[];
  readonly #size: number;
  #ready = 0;
  #isFetching = false;
  #wanted = 0;
  #wantedUntil = 0;
  #lastIndex = 0;
  /** How many packs have been at hand, or are not wanted. */
  #fetched = 0;
  #requested = 0;
  #isOver = false;

  constructor({ packs }: BodyReference, reader: ContentsReader) {
    this.#reader = reader;
    let from = 0;
    this.#packs = packs.map(([number, size, which]) => {
      const pack: PackInHand = {
        number,
        from,
        size,
        which: which && [...numbersIn(which)],
        unsettled: size,
      };
      from += size;
      return pack;
    });
    this.#size = from;
    this.want(0);
  }

  get ready(): number {
    return this.#ready;
  }

  /** The first position, that one or one behind it, at which a pack begins; or the end. */
  nextPackAt(position: number): number {
    return this.#packs.find(({ from }) => from >= position)?.from ?? this.#size;
  }

  /** The event, for its handler. */
  eventAt(position: number): Envelope {
    const pack = this.#packAt(position);
    const index = this.#indexIn(pack, position);
    const { stored } = pack;
    if (!stored) throw notRead(position);
    if (!pack.events && this.#reader.isShared()) {
      return ownEvent(stored.originals[index] as Envelope);
    }
    pack.events ??= stored.take();
    return pack.events[index] as Envelope;
  }

  originalAt(position: number): Envelope {
    const pack = this.#packAt(position);
    if (!pack.stored) throw notRead(position);
    return pack.stored.originals[this.#indexIn(pack, position)] as Envelope;
  }

  /** The event will be handed out next, and then the others behind it. */
  want(position: number): void {
    if (position < this.#wantedUntil || position >= this.#size) return;
    this.#wanted = this.#indexOf(position);
    this.#wantedUntil = this.#packs[this.#wanted + 1]?.from ?? this.#size;
    if (!this.#isFetching) void this.#fetch();
  }

  /** The event is not wanted any more. */
  settled(position: number): void {
    const pack = this.#packAt(position);
    pack.unsettled -= 1;
    if (pack.unsettled > 0) return;
    pack.stored = undefined;
    pack.events = undefined;
  }

  /** None is wanted any more. */
  end(): void {
    this.#isOver = true;
    for (const pack of this.#packs) {
      pack.stored = undefined;
      pack.events = undefined;
    }
  }

  /** Gets the pack that is wanted, and the one behind it. */
  async #fetch(): Promise<void> {
    this.#isFetching = true;
    while (this.#fetched <= this.#wanted + 1 && !this.#isOver) {
      const pack = this.#packs[this.#fetched];
      if (!pack) break;
      // Given back meanwhile, if nothing of it is wanted.
      if (pack.unsettled > 0) {
        const stored = await this.#read(pack);
        if (stored === undefined) await new Promise<void>((resolve) => setImmediate(resolve));
        else await this.#reader.takeBreak();
        if (stored === undefined || this.#isOver) continue;
        const problem = problemOf(pack, stored);
        if (problem === undefined) pack.stored = stored ?? undefined;
        else this.#reader.onUnreadable(pack.from, pack.from + pack.size, problem);
      }
      this.#fetched += 1;
      this.#ready = pack.from + pack.size;
      this.#reader.onReady();
    }
    this.#isFetching = false;
  }

  /** Reads what is wanted next along with it. Undefined: whoever read it for us did not get it. */
  async #read(pack: PackInHand): Promise<StoredPack | null | undefined> {
    if (this.#requested <= this.#fetched + 1) {
      const packs = this.#packs.slice(this.#requested, this.#requested + AT_ONCE);
      this.#requested += packs.length;
      const coming = this.#reader.load(packs.map(({ number }) => number));
      for (const [at, it] of packs.entries()) it.coming = coming[at];
    }
    const coming = pack.coming ?? this.#reader.load([pack.number])[0];
    pack.coming = undefined;
    return coming;
  }

  #indexIn({ from, which }: PackInHand, position: number): number {
    return which ? (which[position - from] as number) : position - from;
  }

  #packAt(position: number): PackInHand {
    return this.#packs[this.#indexOf(position)] as PackInHand;
  }

  /** Most are near the one that was looked for before. */
  #indexOf(position: number): number {
    let index = this.#lastIndex;
    while ((this.#packs[index]?.from ?? 0) > position) index -= 1;
    while ((this.#packs[index + 1]?.from ?? this.#size) <= position) index += 1;
    this.#lastIndex = index;
    return index;
  }
}

function notRead(position: number): Error {
  return new Error(`Event ${position} of a job is wanted before it is read`);
}

function problemOf(
  { number, size, which }: PackInHand,
  stored: StoredPack | null,
): string | undefined {
  if (!stored) return `refers to pack ${number} of its body, which is gone`;
  const { problem, originals } = stored;
  const last = which ? (which.at(-1) ?? 0) : size - 1;
  const isShort = originals.length <= last;
  if (problem === undefined && !isShort) return undefined;
  return `refers to pack ${number} of its body, which ${problem ?? "has too few events"}`;
}
