import type { Logger } from "../contract/logger.ts";
import type { EventProvider } from "../contract/provider.ts";
import { quoted } from "../errors/quoted.ts";
import type { Notices } from "../observe/notices.ts";

/** What an {@link OrphanWatch} needs. */
export interface OrphanWatchOptions {
  readonly provider: EventProvider;
  readonly logger: Logger;
  readonly notices: Notices;
}

/** Warns of subscriptions that get no new events, because no process declares them any more. */
export class OrphanWatch {
  readonly #options: OrphanWatchOptions;
  /** Those that were warned of. */
  #known: ReadonlySet<string> = new Set();

  constructor(options: OrphanWatchOptions) {
    this.#options = options;
  }

  /** Reads the provider's list, and warns of each new orphan once. Never rejects. */
  async look(): Promise<void> {
    const { logger, notices, provider } = this.#options;
    try {
      const listed = (await provider.subscriptions?.list()) ?? [];
      const orphans = listed.filter(({ orphaned, temporary }) => orphaned && !temporary);
      for (const { subscriptionId: subscriberId, withheld, ...orphan } of orphans) {
        if (this.#known.has(subscriberId)) continue;
        const lastSeenAt = new Date(orphan.lastSeenAt);
        notices.report("orphaned", () => ({ subscriberId, lastSeenAt, withheld }));
        logger.warn(
          { subscriberId, lastSeenAt, withheld },
          `Subscription ${quoted(subscriberId)} gets no new events: no process has declared it for long. Retire it, or start one with code for it`,
        );
      }
      this.#known = new Set(orphans.map(({ subscriptionId }) => subscriptionId));
    } catch (err) {
      logger.debug({ err }, "Orphaned subscriptions could not be looked for; will try in a minute");
    }
  }
}
