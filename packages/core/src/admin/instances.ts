import type { PostedReport } from "../contract/board.ts";
import type { Role } from "../contract/bus-options.ts";
import type { Backoff } from "../contract/event.ts";
import type { JsonObject } from "../contract/json.ts";
import type { BatchOptions, Ordering, RateLimit } from "../contract/subscriber.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { BusHealth } from "./inspection.ts";

/** How an instance delivers to a subscription. What it says nothing about, the emitter decides. */
export interface InspectedPolicy {
  /** How many runs of a delivery may fail. */
  readonly attempts?: number | undefined;
  /** The wait between attempts. */
  readonly backoff?: Backoff | undefined;
  /** Milliseconds that a run may take. */
  readonly timeoutMs?: number | undefined;
  /** How many runs may start within a time, over all processes. */
  readonly rate?: RateLimit | undefined;
  /** How many events a batch has, and how long the instance waits for them. */
  readonly batch?: BatchOptions | undefined;
  /** How many deliveries, or batches, the instance runs at the same time. */
  readonly concurrency: number;
  /** Which deliveries wait for each other. */
  readonly ordering: Ordering;
}

/** A subscription that an instance has code for. */
export interface InstanceSubscription {
  /** The id of the subscription. */
  readonly subscriberId: string;
  /** The names and patterns that the instance has code for. */
  readonly events: readonly string[];
  /** How the instance delivers to the subscription. */
  readonly policy: InspectedPolicy;
}

/** What an instance says of itself. Times are milliseconds since the epoch. */
export interface InstanceReport extends JsonObject {
  readonly host: string;
  readonly pid: number;
  readonly role: Role;
  readonly status: BusHealth["status"];
  readonly consuming: boolean;
  readonly startedAt: number;
  readonly versions: { readonly [name: string]: string };
  readonly counters: { readonly [Name in keyof BusCounters]: number };
  readonly subscriptions: readonly (InstanceSubscription & JsonObject)[];
  readonly plugins: { readonly [name: string]: JsonObject };
}

/** A bus in one process, as `inspect()` of every process shows it. */
export interface InspectedInstance {
  /** Identifies the instance: each bus makes up an id when it starts. */
  readonly instanceId: string;
  /** The name of the machine. */
  readonly host: string;
  /** The id of the process on that machine. Several instances may run in one process. */
  readonly pid: number;
  /** What the instance does. */
  readonly role: Role;
  /** Whether the instance does its work, as far as it knows without looking. */
  readonly status: BusHealth["status"];
  /** Whether the instance takes deliveries. */
  readonly consuming: boolean;
  /** When the instance started, by the clock of its machine. */
  readonly startedAt: Date;
  /**
   * When the instance has last reported, by the clock of the provider's server. An instance that has not reported for
   * 20 seconds is not listed any more: it has crashed, stands still, or does not reach the provider.
   */
  readonly seenAt: Date;
  /** Whether the instance is this bus. */
  readonly here: boolean;
  /** The versions of Node.js, `@busbar/core` and the provider, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** What the instance has done since its start. */
  readonly counters: Readonly<BusCounters>;
  /** The subscriptions that the instance has code for. */
  readonly subscriptions: readonly InstanceSubscription[];
  /** What each plugin reports with `Plugin.report`, by the plugin's name. */
  readonly plugins: Readonly<Record<string, JsonObject>>;
}

/** Joins what this instance says now with what others have posted. In the order of hosts, then of starts. */
export function inspectInstances(
  own: {
    readonly instanceId: string;
    /** Absent for a tool, which is no instance that anybody would look for. */
    readonly report: InstanceReport | undefined;
    readonly now: number;
  },
  posted: readonly PostedReport[],
): readonly InspectedInstance[] {
  const { instanceId: ownId, report: ownReport, now: writtenAt } = own;
  const others = posted.filter(({ instanceId }) => instanceId !== ownId);
  const self = ownReport ? [{ instanceId: ownId, report: ownReport, writtenAt }] : [];
  return [...self, ...others]
    .filter((it): it is PostedReport & { readonly report: InstanceReport } => isReport(it.report))
    .map(({ instanceId, report, writtenAt }) => ({
      instanceId,
      ...report,
      startedAt: new Date(report.startedAt),
      seenAt: new Date(writtenAt),
      here: instanceId === ownId,
    }))
    .toSorted((a, b) => {
      if (a.host !== b.host) return a.host < b.host ? -1 : 1;
      return a.startedAt.getTime() - b.startedAt.getTime();
    });
}

/** Another release may report something else: what cannot be shown is left out. */
function isReport(report: JsonObject): report is InstanceReport {
  const { host, startedAt, subscriptions, counters, versions, plugins } = report;
  return (
    typeof host === "string" &&
    typeof startedAt === "number" &&
    Array.isArray(subscriptions) &&
    [counters, versions, plugins].every((it) => typeof it === "object" && it !== null)
  );
}
