import { detached } from "../causality/causality.ts";
import type { InstanceBoard } from "../contract/board.ts";
import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { Notices } from "../observe/notices.ts";
import { isShown, type ShownEntry, shownEntry, type TappedNotice } from "./tail-entries.ts";

/** Milliseconds for which entries are gathered before they are shown together. */
const BATCH_MS = 250;
/** The most entries that one instance gathers, and that a board keeps. */
export const MOST_ENTRIES = 1_000;

/** What a {@link TailFeed} needs. */
export interface TailFeedOptions {
  readonly instanceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notices: Notices;
}

/** Takes entries as they are made, at once. Must not throw. */
export type TailSink = (entry: ShownEntry) => void;

/**
 * Makes entries of what happens in this process, while anybody wants them: sinks in this process, and the board of the
 * provider. Nobody is ever waited for: what is too much is left out, and the numbers of the entries say so.
 */
export class TailFeed {
  readonly #options: TailFeedOptions;
  readonly #sinks = new Set<TailSink>();
  #seq = 0;
  #untap: (() => void) | undefined;
  #board: InstanceBoard | undefined;
  #gathered: ShownEntry[] = [];
  #isClosed = false;
  #isShowing = false;

  constructor(options: TailFeedOptions) {
    this.#options = options;
  }

  /** Adds a sink, unless the feed is closed. Returns a function that removes it. */
  add(sink: TailSink): () => void {
    if (this.#isClosed) return () => {};
    this.#sinks.add(sink);
    this.#tapIfWanted();
    return () => {
      this.#sinks.delete(sink);
      this.#tapIfWanted();
    };
  }

  /** Shows entries on a board from now on, or none any more. Does nothing once the feed is closed. */
  showOn(board: InstanceBoard | undefined): void {
    if (this.#isClosed) return;
    this.#board = board;
    if (!board) this.#gathered = [];
    this.#tapIfWanted();
  }

  /** Shows what was gathered, and nothing more. */
  async close(): Promise<void> {
    this.#sinks.clear();
    const board = this.#board;
    const entries = this.#gathered;
    this.showOn(undefined);
    this.#isClosed = true;
    if (board && entries.length > 0) await this.#showAll(board, entries);
  }

  #tapIfWanted(): void {
    const isWanted = this.#board !== undefined || this.#sinks.size > 0;
    if (!isWanted) {
      this.#untap?.();
      this.#untap = undefined;
    } else {
      this.#untap ??= this.#options.notices.tap((tapped) => this.#take(tapped));
    }
  }

  #take(tapped: TappedNotice): void {
    const { name } = tapped;
    if (!isShown(name)) return;
    this.#seq += 1;
    // What would be dropped is not made.
    const isFull = this.#gathered.length >= MOST_ENTRIES;
    if (this.#sinks.size === 0 && isFull) return;
    const { clock, instanceId, logger } = this.#options;
    try {
      const at = clock.now();
      const entry = shownEntry(name, tapped, { seq: this.#seq, at, instanceId });
      for (const sink of this.#sinks) sink(entry);
      if (this.#board && !isFull) this.#gather(entry);
    } catch (err) {
      logger.debug({ err }, "An entry of the tail could not be made");
    }
  }

  #gather(entry: ShownEntry): void {
    this.#gathered.push(entry);
    this.#showLater();
  }

  /** One batch at a time: while the board takes one, the next is gathered. */
  #showLater(): void {
    if (this.#isShowing || this.#gathered.length === 0) return;
    this.#isShowing = true;
    // Not within the run, or the request, in which the first of them happened to be made.
    detached(() => this.#options.clock.setTimeout(() => void this.#show(), BATCH_MS));
  }

  async #show(): Promise<void> {
    const entries = this.#gathered;
    this.#gathered = [];
    if (this.#board && entries.length > 0) await this.#showAll(this.#board, entries);
    this.#isShowing = false;
    this.#showLater();
  }

  async #showAll(board: InstanceBoard, entries: readonly ShownEntry[]): Promise<void> {
    try {
      await board.show(entries, { keep: MOST_ENTRIES });
    } catch (err) {
      this.#options.logger.debug(
        { err },
        "Entries of the tail could not be shown, and are dropped",
      );
    }
  }
}
