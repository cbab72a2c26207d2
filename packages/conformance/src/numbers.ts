import assert from "node:assert/strict";
import type { ProviderCapabilities, SubscriptionStats } from "@busbar/core/provider";
import type { Waiting } from "./waiting.ts";

/** Numbers of a queue that a case expects. */
export type ExpectedNumbers = Partial<
  Pick<SubscriptionStats, "ready" | "delayed" | "inFlight" | "dead">
>;

const WAITING = ["ready", "delayed", "inFlight"] as const;

/** Compares the numbers of queues: exactly, or loosely where a provider declares that its numbers lag behind. */
export class Numbers {
  /** Milliseconds by which they may lag behind. */
  readonly lagMs: number;
  /** Whether any were compared loosely. */
  wereLoose = false;
  readonly #waiting: Waiting;

  constructor({ statsLagMs = 0 }: ProviderCapabilities, waiting: Waiting) {
    this.lagMs = statsLagMs;
    this.#waiting = waiting;
  }

  /** Whether they can be taken at their word. */
  get areExact(): boolean {
    return this.lagMs === 0;
  }

  /**
   * Whether numbers are the expected ones. Loosely, pending deliveries are compared as a sum; if not all of its parts are
   * expected, the sum may be greater.
   */
  match(found: ExpectedNumbers, expected: ExpectedNumbers): boolean {
    if (this.areExact) {
      return Object.entries(expected).every(
        ([name, value]) => found[name as keyof ExpectedNumbers] === value,
      );
    }
    this.wereLoose = true;
    if (expected.dead !== undefined && found.dead !== expected.dead) return false;
    const isWhole = WAITING.every((name) => expected[name] !== undefined);
    return isWhole ? sum(found) === sum(expected) : sum(found) >= sum(expected);
  }

  /** Passes if a look finds what is expected: at once if numbers are exact, or else before long. */
  async show(what: string, look: () => Promise<boolean>): Promise<void> {
    if (this.areExact) assert.ok(await look(), what);
    else await this.eventually(what, look);
  }

  /** Resolves once looks find what is expected, and for as long as numbers may lag behind. */
  eventually(what: string | (() => string), look: () => Promise<boolean>): Promise<void> {
    return this.#waiting.eventually(what, look, this.lagMs);
  }
}

function sum(numbers: ExpectedNumbers): number {
  return WAITING.reduce((total, name) => total + (numbers[name] ?? 0), 0);
}
