import type { JobSpec } from "../scripts/publish-script.ts";
import type { SettleRequest } from "../scripts/settle-script.ts";
import type { NewDeadLetter } from "./dead-letter.ts";

/** What a job's settlements add to Redis, until that is written. */
export class SettlementBatch {
  readonly #again: { readonly job: JobSpec; readonly data: string }[] = [];
  readonly #dead: NewDeadLetter[] = [];

  get isEmpty(): boolean {
    return this.#again.length === 0 && this.#dead.length === 0;
  }

  /** A job that takes up events of this one. */
  addJob(job: JobSpec, data: string): void {
    this.#again.push({ job, data });
  }

  addDead(letter: NewDeadLetter): void {
    this.#dead.push(letter);
  }

  /** What there is now. More may come while it is being written. */
  take(): WrittenBatch {
    const [again, dead] = [this.#again.slice(), this.#dead.slice()];
    return {
      request: { again: again.map(({ job }) => job), dead: dead.map(({ spec }) => spec) },
      data: [...again.map(({ data }) => data), ...dead.flatMap(({ texts }) => texts)],
      forget: () => {
        this.#again.splice(0, again.length);
        this.#dead.splice(0, dead.length);
      },
    };
  }
}

/** Part of a request, and the texts that go with it. */
export interface WrittenBatch {
  readonly request: Pick<SettleRequest, "again" | "dead">;
  readonly data: readonly string[];
  /** It is written. */
  forget(): void;
}
