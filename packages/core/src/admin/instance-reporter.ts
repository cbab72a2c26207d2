import { hostname } from "node:os";
import type { InstanceBoard } from "../contract/board.ts";
import type { Clock, Timer } from "../contract/clock.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Logger } from "../contract/logger.ts";
import type { Plugin } from "../contract/plugin.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { Subscription } from "../deliver/subscription.ts";
import type { BusCounters } from "../observe/counters.ts";
import { VERSION } from "../values/version.ts";
import type { InstanceReport, InstanceSubscription } from "./instances.ts";

/** Milliseconds between two reports. */
const REPORT_EVERY_MS = 5_000;
/** Milliseconds for which others see a report: an instance may miss a few. */
const REPORT_TTL_MS = 20_000;

/** What an {@link InstanceReporter} needs. */
export interface InstanceReporterOptions {
  readonly instanceId: string;
  readonly provider: EventProvider;
  readonly plugins: readonly Plugin[];
  readonly subscriptions: Iterable<Subscription>;
  readonly counters: BusCounters;
  readonly role: InstanceReport["role"];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Says how the bus is, without looking at the provider. */
  readonly state: () => Pick<InstanceReport, "status" | "consuming" | "startedAt">;
}

/** Says what this instance does, and keeps that on the board while the bus runs. */
export class InstanceReporter {
  readonly #options: InstanceReporterOptions;
  readonly #versions: InstanceReport["versions"];
  /** The plugins that were warned of. */
  readonly #failed = new Set<string>();
  #timer: Timer | undefined;
  #posting: Promise<void> | undefined;
  #isClosed = false;

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

  /** Posts a report, and others from now on. Never rejects: nothing depends on the board. */
  async start(board: InstanceBoard): Promise<void> {
    this.#posting = this.#post(board);
    await this.#posting;
    if (this.#isClosed) return;
    const { clock } = this.#options;
    this.#timer = clock.setTimeout(() => void this.start(board), REPORT_EVERY_MS);
  }

  /** Takes the report from the board, so that others see at once that this instance has stopped. */
  async close(board: InstanceBoard): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    // A report that is on its way would be listed after the end.
    await this.#posting;
    const { instanceId, logger } = this.#options;
    await board.remove(instanceId).catch((err: unknown) => {
      logger.debug({ err }, "The report of this instance could not be removed; it expires");
    });
  }

  async #post(board: InstanceBoard): Promise<void> {
    const { instanceId, logger } = this.#options;
    try {
      await board.post(instanceId, this.report(), { ttlMs: REPORT_TTL_MS });
    } catch (err) {
      logger.debug({ err }, "The report of this instance could not be posted; it is tried again");
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
  consumeSpec,
}: Subscription): InstanceSubscription & JsonObject {
  const { attempts, backoff, timeoutMs } = { ...defaults, ...policy };
  const { concurrency, ordering } = consumeSpec;
  return {
    subscriberId: id,
    events,
    policy: {
      ...(attempts !== undefined && { attempts }),
      ...(backoff !== undefined && { backoff }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      concurrency,
      ordering,
    },
  } as InstanceSubscription & JsonObject;
}
