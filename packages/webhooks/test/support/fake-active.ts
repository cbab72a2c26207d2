import { matchesPattern } from "@busbar/core/provider";
import type {
  ActiveSubscription,
  ActiveSubscriptions,
} from "../../src/contract/active-subscriptions.ts";
import type { WebhookEvent } from "../../src/contract/webhook-event.ts";
import type { TestDatabase } from "./databases.ts";

/** Subscriptions that a test has at hand, with the rows that the router looks for. */
export interface FakeActive extends ActiveSubscriptions {
  add(subscription: Partial<ActiveSubscription> & { readonly id: string }): Promise<void>;
  remove(id: string): void;
}

/** Makes an index of subscriptions without the service that keeps them. */
export function fakeActive({ query, prefix }: TestDatabase): FakeActive {
  const all = new Map<string, ActiveSubscription>();
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const matching = (name: string): readonly ActiveSubscription[] =>
    [...all.values()].filter(({ events }) => events.some((it) => matchesPattern(it, name)));
  return {
    wants: (name) => matching(name).length > 0,
    matching: (name, scope) => matching(name).filter((it) => [null, scope].includes(it.scope)),
    revision: 0,
    hasRead: () => true,
    refresh: async () => {},
    get hasSnapshots() {
      return [...all.values()].some(({ payload }) => payload === "emitted");
    },
    onChange(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    async add(given) {
      const passes = given.passes ?? ((_event: WebhookEvent) => true);
      all.set(given.id, {
        events: ["**"],
        scope: null,
        orderingKey: null,
        version: 1,
        payload: "once",
        hasFilter: given.passes !== undefined,
        ...given,
        passes,
      });
      await query(
        `INSERT INTO ${prefix}busbar_webhook_subscriptions
          (id, version, revision, enabled, notifier, destination, events, options, secrets, created_at, modified_at)
          VALUES ($1, 1, 1, 1, 'http', 'https://shop.example', '[]', '{}', '[]', 0, 0)`,
        [given.id],
      );
      await query(`INSERT INTO ${prefix}busbar_webhook_endpoints (subscription_id) VALUES ($1)`, [
        given.id,
      ]);
      changed();
    },
    remove(id) {
      all.delete(id);
      changed();
    },
  };
}
