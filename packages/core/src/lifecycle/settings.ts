import { type Clock, systemClock, wholeClock } from "../contract/clock.ts";
import type { EmitOptions } from "../contract/event.ts";
import type { SubscriptionDefaults } from "../contract/subscriber.ts";
import type { Logger } from "../contract/logger.ts";
import type { EventProvider } from "../contract/provider.ts";
import { noServices } from "../deliver/delivery-run.ts";
import { checkSubscriptionDefaults, readSubscriptionDefaults } from "../deliver/policy.ts";
import { loggerFor, safeLogger } from "../errors/safe-logger.ts";
import {
  assertOptions,
  type Check,
  checkFunction,
  checkObject,
  checkPositive,
  type Checks,
  describe,
  oneOf,
  type OptionIssue,
  optionIssues,
  optionsWithin,
  wholeFrom,
} from "../values/arguments.ts";
import { emitOptionIssues } from "../emit/emit-options.ts";
import type { ScopingContainer } from "../contract/container.ts";
import type {
  BusOptions,
  DeadLetterOptions,
  EventBusOptions,
  Role,
} from "../contract/bus-options.ts";

const DAY_MS = 86_400_000;
const MEBIBYTE = 1_048_576;

/** Checks {@link BusOptions}. */
const BUS: Checks<BusOptions> = {
  defaults: emitOptionIssues,
  subscriptionDefaults: checkSubscriptionDefaults,
  isolation: oneOf("copy", "none"),
  emitTimeoutMs: checkPositive,
  maxCrashes: wholeFrom(0),
  maxCausationDepth: wholeFrom(0),
  deadLetters: optionsWithin<DeadLetterOptions>({
    maxPerSubscription: checkPositive,
    maxAgeMs: checkPositive,
  }),
  orphanedAfterMs: checkPositive,
  groupTtlMs: checkPositive,
  maxPayloadBytes: checkPositive,
  graceMs: wholeFrom(0),
};

const OPTIONS: Checks<EventBusOptions<object>> = {
  ...BUS,
  provider: checkProvider,
  name: (value) =>
    typeof value === "string" && /^[\w.-]{1,100}$/.test(value)
      ? undefined
      : 'must have 1 to 100 letters, digits, ".", "_" or "-"',
  events: hasMethods(["check"], "a catalogue, made by defineEvents()"),
  role: oneOf("shared", "server", "worker", "tool"),
  logger: (value) =>
    value === false
      ? undefined
      : hasMethods(["debug", "info", "warn", "error"], "a logger, or false")(value),
  container: hasMethods(["resolve"], "a container"),
  plugins: (value) =>
    Array.isArray(value) && value.every((plugin) => typeof plugin?.name === "string")
      ? undefined
      : "must be an array of plugins, each with a name, made by definePlugin()",
  inbox: hasMethods(["createInbox"], "a store of @busbar/outbox, such as pgStore({ pool })"),
  middleware: (value) =>
    Array.isArray(value) && value.every((it) => typeof it === "function")
      ? undefined
      : "must be an array of functions",
  schedules: checkObject,
  clock: hasMethods(["now", "setTimeout"], "a Clock"),
  random: checkFunction,
};

/** What is wrong with the options of a bus that do not concern its provider. */
export function busOptionIssues(options: unknown): readonly OptionIssue[] {
  return optionIssues(options, BUS);
}

/** The options of a bus, with every default filled in. */
export interface BusSettings {
  readonly name: string;
  readonly role: Role;
  /** Takes nothing that must not be logged. For all lines of the bus, its provider and its plugins. */
  readonly logger: Logger;
  /** As it was given, for handlers. */
  readonly handlerLogger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly services: ScopingContainer;
  readonly defaults: EmitOptions | undefined;
  readonly subscriptionDefaults: SubscriptionDefaults;
  readonly isolation: "copy" | "none";
  readonly emitTimeoutMs: number;
  readonly maxCrashes: number;
  readonly maxCausationDepth: number | undefined;
  readonly deadLetters: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
  readonly orphanedAfterMs: number;
  readonly groupTtlMs: number | undefined;
  readonly maxPayloadBytes: number;
  readonly graceMs: number;
}

/**
 * Fills in the defaults of a bus.
 *
 * @throws TypeError when an option has a value that it cannot have.
 */
export function readSettings(options: EventBusOptions<object>): BusSettings {
  assertOptions("createEventBus()", options, OPTIONS, { provider: "such as localProvider()" });
  const { name = "busbar", role = "shared", isolation = "copy" } = options;
  const logger = loggerFor(options.logger);
  return {
    name,
    role,
    isolation,
    defaults: options.defaults,
    subscriptionDefaults: readSubscriptionDefaults(options.subscriptionDefaults),
    logger: safeLogger(logger),
    handlerLogger: logger,
    clock: wholeClock(options.clock ?? options.provider.clock ?? systemClock),
    random: options.random ?? options.provider.random ?? Math.random,
    services: options.container ?? noServices,
    emitTimeoutMs: options.emitTimeoutMs ?? 10_000,
    maxCrashes: options.maxCrashes ?? 5,
    maxCausationDepth: options.maxCausationDepth,
    deadLetters: {
      maxPerSubscription: options.deadLetters?.maxPerSubscription ?? 10_000,
      maxAgeMs: options.deadLetters?.maxAgeMs ?? 30 * DAY_MS,
    },
    orphanedAfterMs: options.orphanedAfterMs ?? 7 * DAY_MS,
    groupTtlMs: options.groupTtlMs,
    maxPayloadBytes: options.maxPayloadBytes ?? MEBIBYTE,
    graceMs: options.graceMs ?? 20_000,
  };
}

function checkProvider(value: unknown): string | undefined {
  const provider = value as Partial<EventProvider> | null;
  const isProvider =
    typeof provider?.name === "string" &&
    typeof provider.capabilities === "object" &&
    provider.capabilities !== null &&
    hasMethods(["start", "publish", "consume", "stop"], "")(provider) === undefined;
  if (!isProvider) {
    const found = checkObject(value) === undefined ? "" : `, not ${describe(value)}`;
    return `must be an EventProvider, such as localProvider()${found}`;
  }
  const { name, capabilities, subscriptions, admin } = provider;
  if (!capabilities?.durable || (subscriptions && admin)) return undefined;
  const missing = subscriptions ? "admin" : "subscriptions";
  return `has "${name}", which says that it is durable and has no ${missing} part`;
}

/** A check of an object by the methods that are called. */
function hasMethods(methods: readonly string[], what: string): Check {
  return (value) => {
    const missing = methods.filter(
      (method) => typeof (value as Record<string, unknown> | null)?.[method] !== "function",
    );
    if (missing.length === 0) return undefined;
    const isObject = checkObject(value) === undefined;
    return `must be ${what}${isObject ? `: it has no ${missing[0]}()` : `, not ${describe(value)}`}`;
  };
}
