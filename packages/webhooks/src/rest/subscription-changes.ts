import { isBusbarError } from "@busbar/core";
import type { JsonObject } from "@busbar/core/provider";
import type {
  BulkResult,
  CreatedSubscription,
  NewSubscription,
  SecretOptions,
  SubscriptionChange,
  SubscriptionFilter,
  SubscriptionSettings,
  WebhookSubscription,
  WebhookSubscriptions,
} from "../contract/subscription.ts";
import type { CatalogueEntry } from "../contract/async-event.ts";
import { notFound, versionConflict } from "../errors.ts";
import { newSubscriptionSchema } from "../subscriptions/schema.ts";
import { assertMaySubscribe, maySubscribeToAll } from "./event-permissions.ts";
import { mergePatch } from "./merge-patch.ts";
import type { Caller } from "./permissions.ts";
import { wrongBody } from "./problem.ts";
import { readBody } from "./validation.ts";

/** What changes of subscriptions need to know besides. */
export interface ChangeEnvironment {
  readonly subscriptions: WebhookSubscriptions;
  readonly catalogue: { entries(): readonly CatalogueEntry[] };
}

/** How often a change is made anew because another one came in between. */
const MAX_ROUNDS = 5;

/** Subscriptions that a bulk action reads at a time. */
const BULK_PAGE = 500;

/**
 * Changes subscriptions on behalf of callers: it asks for the permissions of events wherever events begin to be
 * delivered: at creating, at changing and at enabling.
 */
export class SubscriptionChanges {
  readonly #environment: ChangeEnvironment;

  constructor(environment: ChangeEnvironment) {
    this.#environment = environment;
  }

  /**
   * Creates a subscription.
   *
   * @param options `anySecret`: whether its secret may be any text, as those of Mage-OS are.
   */
  async create(
    caller: Caller,
    given: NewSubscription,
    options: SecretOptions = {},
  ): Promise<CreatedSubscription> {
    const { subscriptions, catalogue } = this.#environment;
    assertMaySubscribe(caller, given.events, catalogue.entries());
    return subscriptions.create(given, { by: caller.name, ...options });
  }

  /** A subscription, even if it is deleted. */
  async get(id: string): Promise<WebhookSubscription> {
    const subscription = await this.#environment.subscriptions.get(id);
    if (!subscription) throw notFound("webhook subscription", id);
    return subscription;
  }

  /** Changes what is given. */
  async update(
    caller: Caller,
    id: string,
    change: SubscriptionChange,
    ifVersion: number | undefined,
  ): Promise<WebhookSubscription> {
    const { subscriptions, catalogue } = this.#environment;
    const entries = catalogue.entries();
    const by = caller.name;
    // Whoever may change a subscription may always put an end to its deliveries.
    const onlyDisables = Object.keys(change).join() === "enabled" && change.enabled === false;
    if (onlyDisables || change.events || maySubscribeToAll(caller, entries)) {
      assertMaySubscribe(caller, change.events ?? [], entries);
      return subscriptions.update(id, change, { by, ifVersion });
    }
    return this.#onPresent(id, ifVersion, ({ events, version }) => {
      assertMaySubscribe(caller, events, entries);
      return subscriptions.update(id, change, { by, ifVersion: version });
    });
  }

  /** Applies a merge patch of RFC 7396: members that it sets to null get their defaults. */
  merge(
    caller: Caller,
    id: string,
    patch: JsonObject,
    ifVersion: number | undefined,
  ): Promise<WebhookSubscription> {
    return this.#onPresent(id, ifVersion, (present) => {
      const merged = readBody(newSubscriptionSchema, mergePatch(settingsOf(present), patch));
      return this.update(caller, id, replacementOf(merged as NewSubscription), present.version);
    });
  }

  /** Replaces everything that may be changed: what is left out gets its default. */
  replace(
    caller: Caller,
    id: string,
    given: NewSubscription,
    ifVersion: number | undefined,
  ): Promise<WebhookSubscription> {
    return this.update(caller, id, replacementOf(given), ifVersion);
  }

  /**
   * Makes a change that follows from what a subscription is now. If another change comes in between, it is made of what
   * the subscription is then, unless the caller wants to change one version only.
   */
  async #onPresent(
    id: string,
    ifVersion: number | undefined,
    change: (present: WebhookSubscription) => Promise<WebhookSubscription>,
  ): Promise<WebhookSubscription> {
    for (let round = 1; ; round += 1) {
      const present = await this.get(id);
      if (ifVersion !== undefined && ifVersion !== present.version) {
        throw versionConflict(id, ifVersion, present.version);
      }
      try {
        return await change(present);
      } catch (error) {
        const again = ifVersion === undefined && round < MAX_ROUNDS;
        if (!again || !isBusbarError(error, "BUSBAR_CONFLICT")) throw error;
      }
    }
  }

  /** Enables or disables all that fit. */
  async setEnabled(
    caller: Caller,
    filter: SubscriptionFilter,
    enabled: boolean,
  ): Promise<BulkResult> {
    const { subscriptions, catalogue } = this.#environment;
    const by = { by: caller.name };
    const entries = catalogue.entries();
    if (!enabled || maySubscribeToAll(caller, entries)) {
      return subscriptions.setEnabled(filter, enabled, by);
    }
    const ids: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await subscriptions.list(filter, {
        limit: BULK_PAGE,
        cursor: cursor ?? undefined,
      });
      for (const { id, events } of page.items) {
        assertMaySubscribe(caller, events, entries);
        ids.push(id);
      }
      cursor = page.cursor;
    } while (cursor !== null);
    let [changed, unchanged] = [0, 0];
    for (let start = 0; start < ids.length; start += BULK_PAGE) {
      const part = { ids: ids.slice(start, start + BULK_PAGE) };
      const result = await subscriptions.setEnabled(part, true, by);
      changed += result.changed;
      unchanged += result.unchanged;
    }
    return { changed, unchanged };
  }
}

/** @throws Problem when a secret is given: those have a resource of their own. */
function replacementOf({ secret, ...change }: NewSubscription): SubscriptionChange {
  if (secret === undefined) return change;
  throw wrongBody([{ pointer: "#/secret", detail: "is changed at /subscriptions/{id}/secret" }]);
}

/** What the service says of a subscription, and nobody else. */
const OF_THE_SERVICE: ReadonlySet<string> = new Set<
  Exclude<keyof WebhookSubscription, keyof SubscriptionSettings>
>([
  "id",
  "version",
  "secrets",
  "disabled",
  "createdAt",
  "createdBy",
  "modifiedAt",
  "modifiedBy",
  "deletedAt",
]);

/** What of a subscription may be changed. */
function settingsOf(subscription: WebhookSubscription): JsonObject {
  return Object.fromEntries(
    Object.entries(subscription).filter(([name]) => !OF_THE_SERVICE.has(name)),
  ) as JsonObject;
}
