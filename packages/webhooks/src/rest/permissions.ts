/** What callers may be allowed, and what it is for. A permission includes those whose names continue its name. */
export const PERMISSIONS = {
  webhooks: "Everything below.",
  "webhooks.subscriptions": "Everything about subscriptions.",
  "webhooks.subscriptions.view": "List subscriptions; test a filter.",
  "webhooks.subscriptions.get": "Read one subscription and its versions.",
  "webhooks.subscriptions.create": "Create subscriptions.",
  "webhooks.subscriptions.save": "Change, enable, disable and test subscriptions; rotate secrets.",
  "webhooks.subscriptions.delete": "Delete subscriptions.",
  "webhooks.logs": "Everything about the delivery log.",
  "webhooks.logs.list": "Search deliveries and attempts, and export them.",
  "webhooks.logs.trace": "Read one delivery with its payload and all its attempts.",
  "webhooks.logs.replay": "Replay, cancel and recover deliveries.",
} as const;

/** A permission of this interface. */
export type Permission = keyof typeof PERMISSIONS;

/** What Mage-OS calls the same permissions. */
const MAGE_OS: ReadonlyMap<string, Permission> = new Map([
  ["MageOS_AsyncEvents::manage", "webhooks"],
  ["MageOS_AsyncEvents::async_events_view", "webhooks.subscriptions.view"],
  ["MageOS_AsyncEvents::async_events_get", "webhooks.subscriptions.get"],
  ["MageOS_AsyncEvents::async_events_create", "webhooks.subscriptions.create"],
  ["MageOS_AsyncEvents::async_events_save", "webhooks.subscriptions.save"],
  ["MageOS_AsyncEvents::async_events_logs", "webhooks.logs"],
  ["MageOS_AsyncEvents::logs_list", "webhooks.logs.list"],
  ["MageOS_AsyncEvents::logs_trace", "webhooks.logs.trace"],
  ["MageOS_AsyncEvents::logs_replay", "webhooks.logs.replay"],
]);

/** Who sends a request. */
export interface Caller {
  /** What the log of changes calls the caller. */
  readonly name: string;
  /**
   * What the caller is allowed: permissions of this interface, and those that events ask for. A permission includes
   * those whose names continue its name: `webhooks.logs` includes `webhooks.logs.list`. The names that Mage-OS has
   * for these permissions mean the same.
   */
  readonly permissions: readonly string[];
}

/** Whether a caller has a permission, or one that includes it. */
export function isAllowed(caller: Caller, needed: string): boolean {
  return caller.permissions.some((permission) => {
    const held = MAGE_OS.get(permission) ?? permission;
    return held === needed || permission === needed || needed.startsWith(`${held}.`);
  });
}

/** Whether a caller has any permission of this interface. */
export function isAllowedAnything(caller: Caller): boolean {
  return (Object.keys(PERMISSIONS) as Permission[]).some((permission) =>
    isAllowed(caller, permission),
  );
}
