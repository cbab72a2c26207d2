import { clearTimeout, setTimeout } from "node:timers";
import type { Event } from "@busbar/core";
import { matchesPattern } from "@busbar/core/provider";
import type { Emission, Recorder } from "./recorder.ts";
import { formatTrace } from "./trace.ts";

interface Waiter {
  readonly pattern: string;
  readonly resolve: (event: Event) => void;
  readonly reject: (error: Error) => void;
}

/** Those who wait for an event. Each event goes to one of them. */
export class EventWaiters {
  readonly #waiting = new Set<Waiter>();

  /** Gives an event to the caller that has waited for it longest. */
  offer(emission: Emission): void {
    for (const waiter of this.#waiting) {
      if (!matchesPattern(waiter.pattern, emission.event.name)) continue;
      emission.taken = true;
      waiter.resolve(emission.event);
      return;
    }
  }

  next(recorder: Recorder, pattern: string, timeoutMs: number): Promise<Event> {
    const known = recorder.emissions(pattern).find(({ taken }) => !taken);
    if (known) {
      known.taken = true;
      return Promise.resolve(known.event);
    }
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        pattern,
        resolve: (event) => {
          end();
          resolve(event);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        const message = `No further event "${pattern}" within ${timeoutMs} ms of real time`;
        waiter.reject(new Error(withTrace(message, recorder)));
      }, timeoutMs);
      this.#waiting.add(waiter);
    });
  }

  /** Rejects all. */
  close(): void {
    for (const { pattern, reject } of this.#waiting) {
      reject(new Error(`The provider has stopped, and no further event "${pattern}" comes`));
    }
  }
}

/** A message, and below it what has happened. */
export function withTrace(message: string, { trace }: Recorder): string {
  const lines = formatTrace(trace.entries).map((line) => `  ${line}`);
  const shown = lines.length > 50 ? ["  …", ...lines.slice(-50)] : lines;
  return [`${message}. What happened:`, ...(shown.length > 0 ? shown : ["  nothing"])].join("\n");
}
