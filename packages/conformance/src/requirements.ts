import type { EventProvider, ProviderCapabilities } from "@busbar/core/provider";
import type { AdjustableOption, ProviderHarness } from "./harness.ts";
import { type FullLoad, readLoad } from "./fault-load.ts";
import type { ConformanceMode } from "./mode.ts";

/** The properties of the provider under test that decide which cases are for it. */
export interface Subject {
  /** The name of the provider under test. */
  readonly name: string;
  /** What the provider says that it can do. */
  readonly capabilities: ProviderCapabilities;
  /** The optional parts that it has. */
  readonly parts: readonly OptionalPart[];
  /** Whether its instances remember what they have staged: `GroupStaging.known`. */
  readonly knowsGroups: boolean;
  /** Whether it has the shorter way to publish: `tryPublish`. */
  readonly publishesAtOnce: boolean;
  /** Whether it finds dead letters by their ids: `ProviderAdmin.getDead`. */
  readonly findsDead: boolean;
  /** The optional methods of its parts that it has. */
  readonly methods: readonly OptionalMethod[];
  /** What a bus on it would live by: its `clock`, its `random`. */
  readonly brings: readonly ("clock" | "random")[];
  /** Makes the provider, and breaks what it depends on. */
  readonly harness: ProviderHarness;
  /** The harness's load, with the defaults of the mode. */
  readonly load: FullLoad;
  /** Takes lines about what cases have found. */
  readonly report: (line: string) => void;
}

/** How to look at a provider. */
export interface SubjectOptions {
  /** @default "quick" */
  readonly mode?: ConformanceMode | undefined;
  /** By default lines go nowhere. */
  readonly report?: ((line: string) => void) | undefined;
}

/** A part of a provider that it may lack. */
export type OptionalPart =
  | "subscriptions"
  | "admin"
  | "groups"
  | "board"
  | "rates"
  | "schedules"
  | "transactions"
  | "probe";

/** A method of a part that the part may lack. */
export type OptionalMethod = "setPaused" | "listWaiting" | "drain" | "cancel";

/** Answers why a case is not for a provider, or undefined if it is. */
export type Requirement = (subject: Subject) => string | undefined;

type Ability = "delay" | "retryDelay" | "priority" | "deduplication" | "ordering" | "targets";

const PARTS: readonly OptionalPart[] = [
  "subscriptions",
  "admin",
  "groups",
  "board",
  "rates",
  "schedules",
  "transactions",
  "probe",
];

/** Looks at a provider. */
export function subjectOf(
  provider: EventProvider,
  harness: ProviderHarness,
  { mode = "quick", report = () => {} }: SubjectOptions = {},
): Subject {
  const { capabilities } = provider;
  const declared: Partial<ProviderCapabilities> = capabilities;
  // As the bus reads one that was written for 0.1.
  const { retryDelay = capabilities.delay } = declared;
  return {
    name: provider.name,
    capabilities: { ...capabilities, retryDelay },
    parts: PARTS.filter((part) => provider[part] !== undefined),
    knowsGroups: provider.groups?.known !== undefined,
    publishesAtOnce: provider.tryPublish !== undefined,
    findsDead: provider.admin?.getDead !== undefined,
    methods: [
      ...(provider.subscriptions?.setPaused ? (["setPaused"] as const) : []),
      ...(["listWaiting", "drain", "cancel"] as const).filter(
        (it) => provider.admin?.[it] !== undefined,
      ),
    ],
    brings: (["clock", "random"] as const).filter((member) => provider[member] !== undefined),
    harness,
    load: readLoad(harness.load, mode),
    report,
  };
}

/** The provider has the capability. */
export function can(ability: Ability): Requirement {
  return ({ capabilities }) => unless(capabilities[ability], `the provider has no ${ability}`);
}

/** The provider declines the capability. */
export function cannot(ability: Ability): Requirement {
  return ({ capabilities }) => unless(!capabilities[ability], `the provider has ${ability}`);
}

/** The provider has at least one of the delays. */
export const delaysSomething: Requirement = ({ capabilities: { delay, retryDelay } }) =>
  unless(delay || retryDelay, "the provider has no delay");

/** The provider has the optional part. */
export function has(part: OptionalPart): Requirement {
  return ({ parts }) => unless(parts.includes(part), `the provider has no ${part} part`);
}

/** The provider lacks the optional part. */
export function lacks(part: OptionalPart): Requirement {
  return ({ parts }) => unless(!parts.includes(part), `the provider has the ${part} part`);
}

/** Instances of the provider remember what they have staged. */
export const knowsGroups: Requirement = (subject) =>
  unless(subject.knowsGroups, "the provider does not remember what it has staged");

/** The provider brings a clock, or random numbers, for the bus. */
export function brings(member: "clock" | "random"): Requirement {
  return (subject) => unless(subject.brings.includes(member), `the provider brings no ${member}`);
}

/** The provider can publish without a promise. */
export const publishesAtOnce: Requirement = (subject) =>
  unless(subject.publishesAtOnce, "the provider has no tryPublish");

/** The broker can tell a settlement that comes too late from one in time. */
export const tellsLateSettlements: Requirement = ({ capabilities }) =>
  unless(
    capabilities.lateSettlements !== "applied",
    "the provider declares that late settlements are applied",
  );

/** The provider finds dead letters by their ids. Every durable one has to. */
export const findsDead: Requirement = (subject) =>
  unless(
    subject.findsDead || subject.capabilities.durable,
    "the provider does not find dead letters by their ids",
  );

/** The provider keeps which subscriptions are paused in every process. */
export const pausesEverywhere: Requirement = ({ methods }) =>
  unless(methods.includes("setPaused"), "the provider pauses no subscription everywhere");

/** The provider lists deliveries that wait. */
export const listsWaiting: Requirement = ({ methods }) =>
  unless(methods.includes("listWaiting"), "the provider does not list what waits");

/** The provider drains queues. */
export const drains: Requirement = ({ methods }) =>
  unless(methods.includes("drain"), "the provider does not drain");

/** A subscription on a bus over the provider may have a rate. */
export const limitsRates: Requirement = ({ capabilities, parts }) =>
  unless(
    !capabilities.durable || parts.includes("rates"),
    "the provider is durable and counts no runs",
  );

/** The provider cancels events. */
export const cancels: Requirement = ({ methods }) =>
  unless(methods.includes("cancel"), "the provider does not cancel events");

/** The harness can make the option small. */
export function adjusts(option: AdjustableOption): Requirement {
  return ({ harness }) =>
    unless(harness.adjusts?.includes(option), `the harness does not adjust ${option}`);
}

/** The provider outlives its processes. */
export const durable: Requirement = ({ capabilities }) =>
  unless(capabilities.durable, "the provider is not durable");

/** The provider ends with its process. */
export const notDurable: Requirement = ({ capabilities }) =>
  unless(!capabilities.durable, "the provider is durable");

/** Each delivery has an envelope of its own. */
export const fresh: Requirement = ({ capabilities }) =>
  unless(capabilities.payload === "fresh", "the provider shares payloads");

/** Groups can be emitted on a bus over the provider. */
export const groupsOnBus: Requirement = ({ capabilities, parts }) =>
  unless(
    !capabilities.durable || parts.includes("groups"),
    "the provider is durable and stages no groups",
  );

/** The provider is durable and stages no groups. */
export const refusesGroups: Requirement = (subject) =>
  unless(groupsOnBus(subject), "the provider supports groups");

/** There is a broker that can be restarted. */
export const restartable: Requirement = ({ harness }) =>
  unless(harness.faults?.restart, "there is no broker to restart");

/** There is a connection that can be cut. */
export const connected: Requirement = ({ harness }) =>
  unless(harness.faults?.connection, "there is no connection to cut");

/** The provider can be made in a process of its own. */
export const inProcess: Requirement = ({ harness }) =>
  unless(harness.faults ?? harness.module, "the harness has no module for child processes");

/** A process can be stopped, and go on later. */
export const stopsProcesses: Requirement = () =>
  unless(process.platform !== "win32", "the platform cannot stop a process");

/** All of them hold. */
export function all(...requirements: readonly Requirement[]): Requirement {
  return (subject) => {
    for (const requirement of requirements) {
      const reason = requirement(subject);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
}

function unless(holds: unknown, reason: string): string | undefined {
  return holds ? undefined : reason;
}
