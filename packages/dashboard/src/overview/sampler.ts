import type { BusHealth, BusInspection, EventBus } from "@busbar/core";
import { type ProviderCapabilities, systemClock, type Timer } from "@busbar/core/provider";
import type { Overview, RunsView, Sample, SubscriptionSample } from "../contract/api.ts";
import { mergeRuns } from "../recorder/merge-runs.ts";
import { guaranteesOf } from "./guarantees.ts";
import { InstanceRates } from "./instance-rates.ts";
import {
  healthView,
  instanceView,
  subscriptionSample,
  subscriptionViews,
  totalsOf,
} from "./views.ts";

/** Milliseconds between two samples, and while a page is open. */
const EVERY_MS = 5_000;
const WATCHED_EVERY_MS = 2_000;
/** Milliseconds for which samples are kept. */
const KEPT_MS = 900_000;
/** Milliseconds for which an overview answers all requests. */
const FRESH_MS = 1_000;

/** What a {@link Sampler} needs. */
export interface SamplerOptions {
  readonly bus: EventBus;
  readonly capabilities: ProviderCapabilities;
  /** The name of the plugin of the dashboard. */
  readonly plugin: string;
}

interface Kept {
  readonly at: number;
  readonly sample: Sample;
  readonly subscriptions: ReadonlyMap<string, SubscriptionSample>;
}

interface Taken {
  readonly at: number;
  readonly overview: Overview;
}

/** Looks at the bus every few seconds, and remembers the last 15 minutes, for the charts. */
export class Sampler {
  readonly #options: SamplerOptions;
  readonly #rates = new InstanceRates();
  readonly #watchers = new Set<(overview: Overview) => void>();
  #samples: readonly Kept[] = [];
  #inspection: BusInspection | undefined;
  #last: Taken | undefined;
  #taking: Promise<Overview> | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Begins to take samples. */
  start(): void {
    void this.#tick();
  }

  /** Ends it. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** The last 15 minutes, the oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples.map(({ sample }) => sample);
  }

  /** The last 15 minutes of one subscription, the oldest first. */
  samplesOf(subscriberId: string): readonly SubscriptionSample[] {
    return this.#samples.flatMap(({ subscriptions }) => subscriptions.get(subscriberId) ?? []);
  }

  /** Calls back with each overview from now on, every 2 seconds. Resolves when `signal` aborts, and ends with it. */
  async watch(watcher: (overview: Overview) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#watchers.add(watcher);
    const ended = new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (this.#watchers.size === 1) {
      this.#timer?.cancel();
      void this.#tick();
    }
    await ended;
    this.#watchers.delete(watcher);
  }

  /**
   * The bus now: at most a second old. If the provider cannot be reached, the numbers are those that were last seen,
   * and `health` says so.
   */
  async overview(): Promise<Overview> {
    const last = this.#last;
    if (last && systemClock.monotonic() - last.at < FRESH_MS) return last.overview;
    // Requests that come meanwhile wait for the same look.
    this.#taking ??= this.#take().finally(() => (this.#taking = undefined));
    return this.#taking;
  }

  /** Has the next request look anew: something has changed. */
  forget(): void {
    this.#last = undefined;
  }

  async #tick(): Promise<void> {
    try {
      const overview = await this.overview();
      for (const watcher of this.#watchers) watcher(overview);
    } catch {
      // Nothing was seen so far: the requests say why.
    }
    if (this.#isClosed) return;
    this.#timer?.cancel();
    const everyMs = this.#watchers.size > 0 ? WATCHED_EVERY_MS : EVERY_MS;
    this.#timer = systemClock.setTimeout(() => void this.#tick(), everyMs);
  }

  async #take(): Promise<Overview> {
    const { bus, plugin } = this.#options;
    const [inspected, health] = await Promise.allSettled([bus.inspect(), bus.health()]);
    if (health.status === "rejected") throw health.reason;
    if (inspected.status === "fulfilled") this.#inspection = inspected.value;
    const inspection = this.#inspection;
    if (!inspection) throw (inspected as PromiseRejectedResult).reason;
    const runs = mergeRuns(inspection.instances, plugin);
    const overview = this.#overview(inspection, health.value, runs);
    const at = systemClock.monotonic();
    this.#last = { at, overview };
    this.#keep(at, overview);
    return overview;
  }

  #overview(
    inspection: BusInspection,
    health: BusHealth,
    runs: ReadonlyMap<string, RunsView>,
  ): Overview {
    return {
      at: new Date(systemClock.now()).toISOString(),
      bus: inspection.name,
      provider: inspection.provider,
      health: healthView(health),
      guarantees: guaranteesOf(this.#options.capabilities),
      totals: totalsOf(inspection.subscriptions),
      rates: this.#rates.update(inspection.instances),
      subscriptions: subscriptionViews(inspection, runs),
      instances: inspection.instances.map(instanceView),
      statsLagMs: inspection.statsLagMs ?? 0,
    };
  }

  #keep(at: number, { at: time, rates, totals, subscriptions: views }: Overview): void {
    const subscriptions = new Map(
      views.map((view) => [view.subscriberId, subscriptionSample(time, view)]),
    );
    const kept = { at, sample: { at: time, rates, totals }, subscriptions };
    this.#samples = [...this.#samples.filter((it) => at - it.at < KEPT_MS), kept];
  }
}
