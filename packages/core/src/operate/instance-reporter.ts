import { hostname } from "node:os";
import type { InstanceBoard } from "../contract/board.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Logger } from "../contract/logger.ts";
import type { Plugin } from "../contract/plugin.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { Subscription } from "../deliver/subscription.ts";
import type { BusCounters } from "../observe/counters.ts";
import { VERSION } from "../values/version.ts";
import type { InstanceReport, InstanceSubscription } from "../admin/instances.ts";

/** Milliseconds for which others see a report, which is posted every 5 s: an instance may miss a few. */
const REPORT_TTL_MS = 20_000;

/** What an {@link InstanceReporter} needs. */
export interface InstanceReporterOptions {
  readonly instanceId: string;
  readonly provider: EventProvider;
  readonly plugins: readonly Plugin[];
  readonly subscriptions: Iterable<Subscription>;
  readonly counters: BusCounters;
  readonly role: InstanceReport["role"];
  readonly logger: Logger;
  /** Says how the bus is, without looking at the provider. */
  readonly state: () => Pick<InstanceReport, "status" | "consuming" | "startedAt">;
  /** Called after each post with whether anyone watches the board's feed. */
  readonly onWatched: (watched: boolean) => void;
}

/** Says what this instance does. */
export class InstanceReporter {
  readonly #options: InstanceReporterOptions;
  readonly #versions: InstanceReport["versions"];
  /** The plugins that were warned of. */
  readonly #failed = new Set<string>();

  constructor(options: InstanceReporterOptions) {
    this.#options = options;
    this.#versions = {
      node: process.versions.node,
      "@busbar/core": VERSION,
      ...options.provider.versions?.(),
    };
  }

  /** What this instance says of itself now. */
  report(): InstanceReport {
    const { subscriptions, counters, role, state } = this.#options;
    return {
      host: hostname(),
      pid: process.pid,
      role,
      ...state(),
      versions: this.#versions,
      counters: { ...counters },
      subscriptions: Array.from(subscriptions, reported),
      plugins: this.#pluginReports(),
    };
  }

  /** Posts a report. Never rejects: nothing depends on the board. */
  async post(board: InstanceBoard): Promise<void> {
    const { instanceId, logger, onWatched } = this.#options;
    try {
      const { watched } = await board.post(instanceId, this.report(), { ttlMs: REPORT_TTL_MS });
      onWatched(watched);
    } catch (err) {
      logger.debug({ err }, "The report of this instance could not be posted; it is tried again");
    }
  }

  /** Takes the report from the board, so that others see at once that this instance has stopped. Never rejects. */
  async remove(board: InstanceBoard): Promise<void> {
    const { instanceId, logger } = this.#options;
    try {
      await board.remove(instanceId);
    } catch (err) {
      logger.debug({ err }, "The report of this instance could not be removed; it expires");
    }
  }

  #pluginReports(): Readonly<Record<string, JsonObject>> {
    const reports: Record<string, JsonObject> = {};
    for (const plugin of this.#options.plugins) {
      try {
        const report = plugin.report?.();
        // What a plugin gives may be changed later, and may be no JSON at all.
        if (report) reports[plugin.name] = JSON.parse(JSON.stringify(report)) as JsonObject;
      } catch (err) {
        this.#warn(plugin.name, err);
      }
    }
    return reports;
  }

  #warn(plugin: string, err: unknown): void {
    if (this.#failed.has(plugin)) return;
    this.#failed.add(plugin);
    this.#options.logger.warn(
      { err, plugin },
      `Plugin "${plugin}" could not report; its further failures are not logged`,
    );
  }
}

function reported({
  id,
  events,
  policy,
  defaults,
  concurrency,
  spec,
}: Subscription): InstanceSubscription & JsonObject {
  const { attempts, backoff, timeoutMs, rate, batch } = {
    batch: undefined,
    ...defaults,
    ...policy,
  };
  return {
    subscriberId: id,
    events,
    policy: {
      ...(attempts !== undefined && { attempts }),
      ...(backoff !== undefined && { backoff }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(rate !== undefined && { rate }),
      ...(batch !== undefined && { batch }),
      concurrency,
      ordering: spec.ordering,
    },
  } as InstanceSubscription & JsonObject;
}
