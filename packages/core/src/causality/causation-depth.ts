import type { Logger } from "../contract/logger.ts";
import type { Issue } from "../contract/issue.ts";
import { quoted } from "../errors/quoted.ts";
import type { CurrentRun } from "./causality.ts";

/** Events from the first cause to one that is warned of. */
const WARNED_DEPTH = 1_000;

/** What a {@link CausationDepth} needs. */
export interface CausationDepthOptions {
  readonly logger: Logger;
  /** Deeper events are refused. */
  readonly maxCausationDepth: number | undefined;
}

/** Knows how many causes stand before an event, and guards against handlers that emit without end. */
export class CausationDepth {
  readonly #options: CausationDepthOptions;
  /** Subscriptions that were warned of: no more than there are. */
  readonly #warned = new Set<string>();

  constructor(options: CausationDepthOptions) {
    this.#options = options;
  }

  /** The depth of what is emitted in a run. Adds an issue when it is beyond the limit. */
  in(run: CurrentRun, at: string, issues: Issue[]): number {
    const { causationDepth } = run.envelope.metadata;
    const depth = (typeof causationDepth === "number" ? causationDepth : 0) + 1;
    if (depth >= WARNED_DEPTH) this.#warn(run, depth);
    const most = this.#options.maxCausationDepth;
    if (most !== undefined && depth > most) {
      issues.push({
        path: `${at}metadata.causationDepth`,
        reason: `would be ${depth}, and maxCausationDepth is ${most}: subscriber ${quoted(run.subscriberId)} handles what follows from its own events`,
      });
    }
    return depth;
  }

  #warn({ subscriberId, envelope }: CurrentRun, causationDepth: number): void {
    if (this.#warned.has(subscriberId)) return;
    this.#warned.add(subscriberId);
    const { id: eventId, name: event } = envelope;
    this.#options.logger.warn(
      { subscriberId, event, eventId, causationDepth },
      `Subscriber ${quoted(subscriberId)} emits an event that has ${causationDepth} causes before it: if that is a loop, set maxCausationDepth`,
    );
  }
}
