import type { BusHealth, BusInspection, InspectOptions } from "@busbar/core";

/** What is asked of a bus at a collection. Every bus has it. */
export interface InspectableBus {
  /** As `bus.inspect()`. */
  inspect(options?: InspectOptions): Promise<BusInspection>;
  /** As `bus.health()`. */
  health(): Promise<BusHealth>;
}

/** What is asked of an outbox. What `outbox()` of `@busbar/outbox` returns has it. */
export interface InspectableOutbox {
  /** Counts the events of the outbox. */
  inspect(): Promise<{
    readonly pending: number;
    readonly delayed: number;
    readonly staged: number;
    readonly failed: number;
    readonly oldestAt: Date | undefined;
  }>;
}

/** What is asked of webhooks. What `webhooks()` of `@busbar/webhooks` returns has it. */
export interface InspectableWebhooks {
  /** Counts the deliveries, subscriptions and endpoints of webhooks. */
  inspect(): Promise<{
    readonly waiting: number;
    readonly running: number;
    readonly dead: number;
    readonly oldestDueAt: Date | null;
    readonly enabled: number;
    readonly disabled: number;
    readonly open: number;
  }>;
}

/** Seconds since a time, by the clock of this process: never below 0, and 0 if there is none. */
export function ageSeconds(since: Date | null | undefined): number {
  return since ? Math.max(0, Date.now() - since.getTime()) / 1_000 : 0;
}

/** Rejects when an answer takes longer than `limitMs` milliseconds. */
export async function withinTime<T>(answer: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
