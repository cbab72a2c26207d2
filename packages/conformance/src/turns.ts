/** Lets work run side by side, but for some that runs alone. Work that came first runs first. */
export class Turns {
  readonly #waiting: { readonly alone: boolean; readonly begin: () => void }[] = [];
  #running = 0;
  #isAlone = false;

  /** Runs the work once it is its turn. */
  async run(alone: boolean, work: () => Promise<void>): Promise<void> {
    await new Promise<void>((begin) => {
      this.#waiting.push({ alone, begin });
      this.#next();
    });
    try {
      await work();
    } finally {
      this.#running--;
      this.#isAlone = false;
      this.#next();
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (this.#isAlone || (first.alone && this.#running > 0)) return;
      this.#waiting.shift();
      this.#running++;
      this.#isAlone = first.alone;
      first.begin();
    }
  }
}
