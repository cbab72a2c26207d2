import type { CallSite } from "../values/call-site.ts";

/** Where a handler was subscribed. */
export interface Origin extends CallSite {
  /** Calls of one turn of the event loop have the same. */
  readonly turn: number;
}

/**
 * Tells a file that is evaluated again, as a development server does when the file changes, from a mistake: two
 * subscribers with one id.
 */
export class HotReload {
  #turn = 0;
  #isTurning = false;

  /** The origin of a subscriber that is subscribed now. */
  originOf(site: CallSite): Origin {
    if (!this.#isTurning) {
      this.#isTurning = true;
      setImmediate(() => {
        this.#turn += 1;
        this.#isTurning = false;
      });
    }
    return { ...site, turn: this.#turn };
  }

  /**
   * Whether the file of `before` was evaluated again. Another URL of the file says so. With the same URL, only a
   * development server evaluates a file again, and later: a file that subscribes twice at once is mistaken.
   */
  isAgain(before: Origin | undefined, now: Origin | undefined): boolean {
    if (before === undefined || before.file !== now?.file) return false;
    if (before.source !== now.source) return true;
    return process.env["NODE_ENV"] === "development" && before.turn !== now.turn;
  }
}
