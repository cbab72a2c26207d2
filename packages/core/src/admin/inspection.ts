import { safeError } from "../errors/safe-error.ts";
import { isError } from "../errors/thrown.ts";
import type {
  EventProvider,
  ProviderReport,
  RegisteredSubscription,
  StagedGroup,
  SubscriptionStats,
} from "../contract/provider.ts";
import type { Subscription } from "../deliver/subscription.ts";
import type { ClockSkew, ClockWatch } from "./clock-watch.ts";
import type { InspectedInstance } from "./instances.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { Notices } from "../observe/notices.ts";
import { type Role, roleConsumes } from "../contract/bus-options.ts";

/** Where a bus is in its life. */
export type BusState = "new" | "starting" | "running" | "stopping" | "stopped";

/** A subscription as `inspect()` shows it. */
export interface InspectedSubscription {
  /** The id of the subscription. */
  readonly subscriberId: string;
  /** @deprecated The name of `subscriberId` in 0.1. */
  readonly subscriptionId: string;
  /** The names and patterns of the subscription, in all processes. */
  readonly events: readonly string[];
  /** Those of `events` that the provider routes to the subscription. None: no process has declared it yet. */
  readonly declaredEvents: readonly string[];
  /** Those of `events` that this process has code for. */
  readonly ownEvents: readonly string[];
  /** Earlier ids: deliveries and dead letters under them belong to the subscription. */
  readonly aliases: readonly string[];
  /** Whether this process has code for it. */
  readonly here: boolean;
  /** Whether `pause` has stopped the subscription in this process. */
  readonly paused: boolean;
  /** Whether `pause` with `everywhere` has stopped the subscription in every process. */
  readonly pausedEverywhere: boolean;
  /** Not declared by any process for `orphanedAfterMs`: gets no new events. */
  readonly orphaned: boolean;
  /** How many events it did not get because it was orphaned. */
  readonly withheld: number;
  /** Deliveries that could run now. */
  readonly ready: number;
  /** Deliveries whose time has not come, or that wait behind another of their key. */
  readonly delayed: number;
  /** Deliveries that are running, in all processes. */
  readonly inFlight: number;
  /** Dead letters of the subscription. */
  readonly dead: number;
  /** When the oldest waiting delivery was published. */
  readonly oldestAt: Date | undefined;
}

/** A group that is neither released nor cleared, as `inspect()` shows it. */
export interface InspectedGroup extends Omit<StagedGroup, "stagedAt"> {
  /** When the first event of the group was staged. */
  readonly stagedAt: Date;
}

/** Options of {@link EventBus.inspect}. */
export interface InspectOptions {
  /**
   * Whether the bus reads the reports of the instances of all processes. Pass `false` for a call that every process
   * repeats, such as a scrape: otherwise every process reads the reports of all processes each time.
   *
   * @default true
   */
  readonly instances?: boolean | undefined;
}

/** What a bus says of itself. Numbers are of this moment; counters of this process since its start. */
export interface BusInspection {
  /** The `name` of the bus. */
  readonly name: string;
  /** The name of the provider. */
  readonly provider: string;
  /** Where the bus is in its life. */
  readonly state: BusState;
  /** What this process does. */
  readonly role: Role;
  /**
   * Milliseconds by which `ready`, `delayed`, `inFlight` and `oldestAt` may lag behind. Until then one may be counted
   * as another: show their sum. Absent where they are exact.
   */
  readonly statsLagMs?: number | undefined;
  /** The subscriptions of all processes, and of this one, in the order of their ids. */
  readonly subscriptions: readonly InspectedSubscription[];
  /** The groups that are neither released nor cleared. */
  readonly groups: readonly InspectedGroup[];
  /** What this process has done since its start. */
  readonly counters: Readonly<BusCounters>;
  /**
   * The instances of this bus that run, in all processes: each reports every 5 seconds. This instance alone where the
   * provider has no board, as in memory. Empty if `inspect` was called with `instances: false`.
   */
  readonly instances: readonly InspectedInstance[];
}

/** Whether a bus does its work. */
export interface BusHealth {
  /** `degraded`: some of it. `down`: none of it. */
  readonly status: "up" | "degraded" | "down";
  /** Since when the status has been what it is, as far as this process has seen. */
  readonly since: Date;
  /** Where the bus is in its life. From `stopping` on, it takes no new emits. */
  readonly state: BusState;
  /** Whether this process takes deliveries. */
  readonly consuming: boolean;
  /** The name of the provider. */
  readonly provider: string;
  /** One sentence, where there is something to say. */
  readonly detail?: string | undefined;
  /**
   * How far the wall clock of this process is from those of the provider's server and of the plugins', as it was
   * last looked at: at the start, and every minute. Absent where nothing is shared, as in memory.
   */
  readonly clockSkews?: readonly ClockSkew[] | undefined;
}

/** Joins what the provider knows of subscriptions with what this process has. */
export function inspectSubscriptions(
  here: readonly Subscription[],
  registered: readonly RegisteredSubscription[],
  stats: readonly SubscriptionStats[],
): readonly InspectedSubscription[] {
  const byId = new Map(here.map((subscription) => [subscription.id, subscription]));
  const ids = new Set([
    ...byId.keys(),
    ...registered.map(({ subscriptionId }) => subscriptionId),
    ...stats.map(({ subscriptionId }) => subscriptionId),
  ]);
  return [...ids].toSorted().map((subscriberId) => {
    const local = byId.get(subscriberId);
    const known = registered.find((entry) => entry.subscriptionId === subscriberId);
    const numbers = stats.find((entry) => entry.subscriptionId === subscriberId);
    return {
      subscriberId,
      subscriptionId: subscriberId,
      events: [...new Set([...(known?.events ?? []), ...(local?.events ?? [])])],
      declaredEvents: known?.events ?? [],
      ownEvents: local?.events ?? [],
      aliases: [...new Set([...(known?.aliases ?? []), ...(local?.spec.aliases ?? [])])],
      here: local !== undefined,
      paused: local?.paused ?? false,
      pausedEverywhere: known?.paused ?? false,
      orphaned: known?.orphaned ?? false,
      withheld: known?.withheld ?? 0,
      ready: numbers?.ready ?? 0,
      delayed: numbers?.delayed ?? 0,
      inFlight: numbers?.inFlight ?? 0,
      dead: numbers?.dead ?? 0,
      oldestAt: numbers?.oldestAt === undefined ? undefined : new Date(numbers.oldestAt),
    };
  });
}

type StateReport = Extract<ProviderReport, { type: "state" }>;

interface Finding {
  readonly status: BusHealth["status"];
  readonly detail: string | undefined;
  /** Safe to log. */
  readonly cause?: unknown;
}

const FINE: Finding = { status: "up", detail: undefined };

/** Remembers how the bus and its provider are, and since when. */
export class HealthRecord {
  /** What was last said of itself by the bus, or by the provider. */
  #said: Finding = { status: "down", detail: "has not started" };
  /** What was found by looking. */
  #probed = FINE;
  #status: BusHealth["status"] = "down";
  #since: number;
  #server: string | undefined;
  readonly #provider: string;
  readonly #notices: Notices;

  /** @param provider The name of the provider. */
  constructor(now: number, provider: string, notices: Notices) {
    this.#since = now;
    this.#provider = provider;
    this.#notices = notices;
  }

  /** What the provider connects to, and why that is not possible at the moment, as far as it has said. */
  get connection(): { readonly server?: string | undefined; readonly cause?: unknown } {
    return { server: this.#server, cause: this.#said.cause };
  }

  /** As it was last seen. */
  get status(): BusHealth["status"] {
    return this.#status;
  }

  /** Why the provider is down; undefined if it is not. */
  get whyDown(): string | undefined {
    const { status, detail = "down" } = this.#said;
    return status === "down" ? detail : undefined;
  }

  /** Takes a provider's report of its state. */
  report({ state, cause, server }: StateReport, now: number): void {
    this.#server = server ?? this.#server;
    const status = state === "ready" ? "up" : state === "degraded" ? "degraded" : "down";
    const error = isError(cause) ? safeError(cause) : undefined;
    this.set(status, now, status === "up" ? undefined : (error?.message ?? state), error);
  }

  set(status: BusHealth["status"], now: number, detail: string | undefined, cause?: Error): void {
    this.#said = { status, detail, cause };
    this.#update(now);
  }

  /** Looks at the provider, if it lets itself be looked at, and answers. */
  async health(
    provider: EventProvider,
    clocks: ClockWatch,
    { state, role }: Pick<BusInspection, "state" | "role">,
    now: number,
  ): Promise<BusHealth> {
    if (this.#said.status !== "down") {
      this.#probed = await probe(provider);
      this.#update(now);
    }
    const { skews } = clocks;
    const found = this.#said.status === "up" ? this.#probed.detail : this.#said.detail;
    return {
      status: this.#status,
      since: new Date(this.#since),
      state,
      consuming: state === "running" && roleConsumes(role),
      provider: provider.name,
      detail: found ?? clocks.detail,
      ...(skews.length > 0 && { clockSkews: skews }),
    };
  }

  /** A probe finds faults; it cannot make up for those that were reported. */
  #update(now: number): void {
    const { status, detail, cause } = this.#said.status === "up" ? this.#probed : this.#said;
    if (status === this.#status) return;
    this.#since = now;
    this.#status = status;
    this.#notices.report("state", () => ({ status, provider: this.#provider, detail, cause }));
  }
}

async function probe(provider: EventProvider): Promise<Finding> {
  if (!provider.probe) return FINE;
  try {
    const { ok, detail } = await provider.probe();
    const text = detail === undefined ? undefined : safeError(detail).message;
    return { status: ok ? "up" : "degraded", detail: text };
  } catch (error) {
    const cause = safeError(error);
    return { status: "degraded", detail: cause.message, cause };
  }
}
