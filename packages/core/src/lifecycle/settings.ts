import { type Clock, systemClock, wholeClock } from "../contract/clock.ts";
import type { EmitOptions } from "../contract/event.ts";
import type { SubscriptionDefaults } from "../contract/subscriber.ts";
import type { Logger } from "../contract/logger.ts";
import type { EventProvider } from "../contract/provider.ts";
import { noServices } from "../deliver/delivery-run.ts";
import { readSubscriptionDefaults } from "../deliver/policy.ts";
import type { Issue } from "../contract/issue.ts";
import { loggerFor, safeLogger } from "../errors/safe-logger.ts";
import { quoted } from "../errors/quoted.ts";
import { didYouMean } from "../values/arguments.ts";
import { checkEmitOptions } from "../emit/emit-options.ts";
import type { ScopingContainer } from "../contract/container.ts";
import { BUS_OPTIONS, type EventBusOptions, type Role } from "../contract/bus-options.ts";

const DAY_MS = 86_400_000;
const MEBIBYTE = 1_048_576;
const ROLES: readonly Role[] = ["shared", "server", "worker"];
const ISOLATIONS: readonly BusSettings["isolation"][] = ["copy", "none"];

const LEVELS: readonly (keyof Logger)[] = ["debug", "info", "warn", "error"];

const OPTIONS: Readonly<Record<keyof EventBusOptions<object>, true>> = {
  ...BUS_OPTIONS,
  provider: true,
  name: true,
  events: true,
  role: true,
  logger: true,
  container: true,
  plugins: true,
  inbox: true,
  middleware: true,
  clock: true,
  random: true,
};

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
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(OPTIONS, name)) continue;
    throw new TypeError(
      `createEventBus() has no option ${quoted(name)}${didYouMean(name, Object.keys(OPTIONS))}`,
    );
  }
  assertProvider(options.provider);
  const issues: Issue[] = [];
  checkEmitOptions(options.defaults, "defaults", issues);
  for (const { path, reason } of issues) throw new TypeError(`Option ${path} ${reason}`);

  const { name = "busbar", role = "shared", isolation = "copy" } = options;
  if (!/^[\w.-]{1,100}$/.test(name)) {
    throw new TypeError(
      `Option name must have 1 to 100 letters, digits, ".", "_" or "-": ${quoted(name)}`,
    );
  }
  if (options.inbox !== undefined && typeof options.inbox?.createInbox !== "function") {
    throw new TypeError(
      "Option inbox must be a store of @busbar/outbox, such as pgStore({ pool })",
    );
  }
  if (!ROLES.includes(role)) throw new TypeError(`Option role must be one of ${ROLES.join(", ")}`);
  if (!ISOLATIONS.includes(isolation)) {
    throw new TypeError(`Option isolation must be one of ${ISOLATIONS.join(", ")}`);
  }
  const logger = loggerFor(options.logger);
  if (!LEVELS.every((level) => typeof logger[level] === "function")) {
    throw new TypeError(`Option logger must have the methods ${LEVELS.join(", ")}, or be false`);
  }
  return {
    name,
    role,
    isolation,
    defaults: options.defaults,
    subscriptionDefaults: readSubscriptionDefaults(
      options.subscriptionDefaults,
      "Option subscriptionDefaults",
    ),
    logger: safeLogger(logger),
    handlerLogger: logger,
    clock: wholeClock(options.clock ?? options.provider.clock ?? systemClock),
    random: options.random ?? options.provider.random ?? Math.random,
    services: options.container ?? noServices,
    emitTimeoutMs: positive("emitTimeoutMs", options.emitTimeoutMs) ?? 10_000,
    maxCrashes: wholeNumber("maxCrashes", options.maxCrashes) ?? 5,
    maxCausationDepth: wholeNumber("maxCausationDepth", options.maxCausationDepth),
    deadLetters: {
      maxPerSubscription:
        positive("deadLetters.maxPerSubscription", options.deadLetters?.maxPerSubscription) ??
        10_000,
      maxAgeMs: positive("deadLetters.maxAgeMs", options.deadLetters?.maxAgeMs) ?? 30 * DAY_MS,
    },
    orphanedAfterMs: positive("orphanedAfterMs", options.orphanedAfterMs) ?? 7 * DAY_MS,
    groupTtlMs: positive("groupTtlMs", options.groupTtlMs),
    maxPayloadBytes: positive("maxPayloadBytes", options.maxPayloadBytes) ?? MEBIBYTE,
    graceMs: wholeNumber("graceMs", options.graceMs) ?? 20_000,
  };
}

function assertProvider(provider: EventProvider): void {
  const isProvider =
    typeof provider === "object" &&
    provider !== null &&
    typeof provider.name === "string" &&
    typeof provider.capabilities === "object" &&
    provider.capabilities !== null &&
    (["start", "publish", "consume", "stop"] as const).every(
      (method) => typeof provider[method] === "function",
    );
  if (!isProvider) {
    throw new TypeError("Option provider must be an EventProvider, such as localProvider()");
  }
  const { name, capabilities, subscriptions, admin } = provider;
  if (capabilities.durable && !(subscriptions && admin)) {
    throw new TypeError(
      `Provider "${name}" says that it is durable, but has no ${subscriptions ? "admin" : "subscriptions"} part`,
    );
  }
}

function positive(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return value;
  throw new TypeError(`Option ${name} must be a number above 0`);
}

function wholeNumber(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
  throw new TypeError(`Option ${name} must be a whole number from 0`);
}
