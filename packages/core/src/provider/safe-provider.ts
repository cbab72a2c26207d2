import type { Plugin } from "../contract/plugin.ts";
import type {
  EventProvider,
  GroupStaging,
  ProviderAdmin,
  SubscriptionRegistry,
} from "../contract/provider.ts";
import { safeMethods } from "../errors/safe-error.ts";
import { delayMistake, withBothDelays } from "./both-delays.ts";

/** A part that a provider may have or lack. */
export type ProviderPart =
  | "subscriptions"
  | "admin"
  | "groups"
  | "board"
  | "schedules"
  | "rates"
  | "transactions";

/** The methods of each part. */
export const PART_METHODS: {
  readonly [Part in ProviderPart]: readonly (string & keyof NonNullable<EventProvider[Part]>)[];
} = {
  subscriptions: ["declare", "list", "retire"],
  admin: ["stats", "listDead", "replayDead", "discardDead"],
  groups: ["stage", "mark", "claim", "complete", "abandon", "clear", "list"],
  board: ["post", "list", "remove", "watch", "show", "read"],
  schedules: ["list", "write", "remove", "due", "fire"],
  rates: ["reserve"],
  transactions: ["publish"],
};

/** A method that a part may have or lack. */
export type OptionalMethod =
  | "setPaused"
  | "getDead"
  | "listWaiting"
  | "drain"
  | "cancel"
  | "queueName";

/** The optional methods of each part that has some. */
export const OPTIONAL_METHODS: {
  readonly subscriptions: readonly (OptionalMethod & keyof SubscriptionRegistry)[];
  readonly admin: readonly (OptionalMethod & keyof ProviderAdmin)[];
} = {
  subscriptions: ["setPaused"],
  admin: ["getDead", "listWaiting", "drain", "cancel", "queueName"],
};

/**
 * Wraps a provider: what its methods and those of its parts throw or reject with reaches callers as a safe error.
 * The errors of drivers hold connection strings and payloads, and anything may be thrown.
 *
 * Capabilities are completed as `withBothDelays` says, and `start` warns of that.
 *
 * For speed `publish` and `tryPublish` stay as they are: their callers make the error safe.
 */
export function safeProvider(provider: EventProvider): EventProvider {
  const { name, capabilities, subscriptions, admin, groups, board, clock, random } = provider;
  const { schedules, rates, transactions } = provider;
  const methods = safeMethods(provider, [
    "start",
    "consume",
    "stop",
    "probe",
    "serverTime",
    "versions",
  ]);
  return {
    ...methods,
    name,
    capabilities: withBothDelays(capabilities),
    start(context) {
      const mistake = delayMistake(name, capabilities);
      if (mistake !== undefined) context.logger.warn({ provider: name }, mistake);
      return methods.start(context);
    },
    publish: provider.publish.bind(provider),
    ...(provider.tryPublish && { tryPublish: provider.tryPublish.bind(provider) }),
    ...(subscriptions && {
      subscriptions: safeMethods(subscriptions, [
        ...PART_METHODS.subscriptions,
        ...OPTIONAL_METHODS.subscriptions,
      ]),
    }),
    ...(admin && {
      admin: safeMethods(admin, [...PART_METHODS.admin, ...OPTIONAL_METHODS.admin]),
    }),
    ...(groups && { groups: safeGroups(groups) }),
    ...(board && { board: safeMethods(board, PART_METHODS.board) }),
    ...(schedules && { schedules: safeMethods(schedules, PART_METHODS.schedules) }),
    ...(rates && { rates: safeMethods(rates, PART_METHODS.rates) }),
    ...(transactions && { transactions: safeMethods(transactions, PART_METHODS.transactions) }),
    clock,
    random,
  };
}

/** Wraps a plugin as {@link safeProvider} wraps a provider. Its middleware fails runs, as handlers do, and its `sending` fails emits. */
export function safePlugin(plugin: Plugin): Plugin {
  const { name, middleware, staging } = plugin;
  return {
    ...safeMethods(plugin, ["start", "stop", "stopped", "serverTime", "report"]),
    name,
    middleware,
    ...(plugin.sending && { sending: plugin.sending.bind(plugin) }),
    ...(staging && {
      staging: {
        ...safeMethods(staging, ["stage", "cancel"]),
        delays: staging.delays,
        ...(staging.groups && { groups: safeGroups(staging.groups) }),
      },
    }),
  };
}

function safeGroups(groups: GroupStaging): GroupStaging {
  const { known } = groups;
  return {
    ...safeMethods(groups, PART_METHODS.groups),
    ...(known && { known: safeMethods(known, ["take", "release"]) }),
  };
}
