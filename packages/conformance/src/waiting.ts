import { AssertionError } from "node:assert";

type Label = string | (() => string);

/** Milliseconds between two looks at what does not say when it changes. */
const LOOK_EVERY_MS = 5;

/** What a case waits for at the moment, so that a case that waits in vain can say for what. */
export class Waiting {
  readonly #labels = new Set<Label>();
  readonly #watchers = new Set<() => void>();
  #ended = false;

  /** Something that may be waited for has changed. */
  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Nobody waits any more: what still looks, stops. */
  end(): void {
    this.#ended = true;
    this.#watchers.clear();
  }

  /** What is waited for, in words. */
  describe(): string {
    const labels = [...this.#labels].map((label) => (typeof label === "string" ? label : label()));
    return labels.length > 0 ? labels.join("; and for ") : "nothing that it names";
  }

  /** Resolves once the condition holds. It is looked at whenever something {@link changed}. */
  until(what: Label, condition: () => boolean): Promise<void> {
    const held = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        try {
          if (!condition()) return;
          resolve();
        } catch (error) {
          reject(error as Error);
        }
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
    return this.for(what, held);
  }

  /** Resolves once the condition holds, and has held for so long. It is looked at again and again. */
  eventually(what: Label, condition: () => Promise<boolean>, forMs: number = 0): Promise<void> {
    const look = async (): Promise<void> => {
      let since: number | undefined;
      while (!this.#ended) {
        const from = performance.now();
        since = (await condition()) ? (since ?? from) : undefined;
        if (since !== undefined && from - since >= forMs) return;
        await new Promise<void>((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    };
    return this.for(what, look());
  }

  /** Waits for a promise, under a name. */
  async for<T>(what: Label, promise: Promise<T>): Promise<T> {
    this.#labels.add(what);
    try {
      return await promise;
    } finally {
      this.#labels.delete(what);
    }
  }

  /** Waits for a promise for so long, and fails when that was not enough. */
  async within<T>(what: Label, limitMs: number, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const name = typeof what === "string" ? what : what();
        reject(new AssertionError({ message: `Waited ${limitMs} ms in vain for ${name}` }));
      }, limitMs);
    });
    try {
      return await this.for(what, Promise.race([promise, limit]));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Waits for work for so long, and fails when that was not enough. */
export async function withLimit(
  work: Promise<void>,
  limitMs: number,
  message: () => string,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AssertionError({ message: `${message()}, and ${limitMs} ms have passed` }));
    }, limitMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** For what lasts as long as it lasts: nothing but time can end it. */
export async function pause(milliseconds: number): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}
