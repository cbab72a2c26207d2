import type { Issue } from "@busbar/core";
import type { Notifier } from "../contract/notifier.ts";
import type { Secret, WebhookSubscription } from "../contract/subscription.ts";
import { activeSecrets } from "../secrets/rotation.ts";
import type { Sealer } from "./sealer.ts";
import { joinSettings } from "./secret-members.ts";
import { readSettings, settingsIssues, type SubscriptionRules } from "./subscription-rules.ts";
import { secretsOf, type StoredSubscription } from "./subscription-rows.ts";
import type { SubscriptionStore } from "./subscription-store.ts";

/** What an attempt to deliver must know of its subscription, secrets included: for the notifier only. */
export interface Target {
  /** The subscription, without what is secret. */
  readonly subscription: WebhookSubscription;
  /** Undefined if no notifier of this name is registered in this process. */
  readonly notifier: Notifier | undefined;
  /** The settings as the notifier's schema gives them. Undefined if the schema no longer accepts them. */
  readonly settings: unknown;
  /** Why the notifier's schema no longer accepts the settings. Empty if it does. */
  readonly issues: readonly Issue[];
  /** Returns the secrets that a delivery is signed with at a time of the store, newest first. */
  secretsAt(now: Date): readonly Secret[];
}

/** Targets that are remembered at most. */
const MOST_KNOWN = 10_000;

/** Reads and decrypts what attempts need, once for each version of a subscription. */
export class Targets {
  readonly #store: SubscriptionStore;
  readonly #rules: SubscriptionRules;
  readonly #sealer: Sealer;
  readonly #known = new Map<string, { version: number; target: Promise<Target | undefined> }>();

  constructor(store: SubscriptionStore, rules: SubscriptionRules, sealer: Sealer) {
    this.#store = store;
    this.#rules = rules;
    this.#sealer = sealer;
  }

  /**
   * Resolves with the target of a subscription, of this version or of a later one. Undefined if there is none of this
   * id, or if it is deleted.
   *
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` that names the key, when the secrets are encrypted with one that is not
   * there.
   */
  of(id: string, version: number): Promise<Target | undefined> {
    const known = this.#known.get(id);
    if (known && known.version >= version) return known.target;
    const entry = { version, target: this.#read(id) };
    this.#known.delete(id);
    this.#known.set(id, entry);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    entry.target.then(
      (target) => {
        // It may have been changed meanwhile.
        entry.version = Math.max(version, target?.subscription.version ?? version);
      },
      () => {
        if (this.#known.get(id) === entry) this.#known.delete(id);
      },
    );
    return entry.target;
  }

  async #read(id: string): Promise<Target | undefined> {
    const stored = await this.#store.find(id);
    if (!stored || stored.subscription.deletedAt !== null) return undefined;
    return this.#targetOf(stored);
  }

  async #targetOf({ subscription, sealed }: StoredSubscription): Promise<Target> {
    const parts = this.#sealer.open(subscription.id, sealed);
    const secrets = secretsOf(subscription, parts);
    const notifier = this.#rules.notifier(subscription.notifier);
    const full = joinSettings({ shown: subscription.settings, secret: parts.settings });
    const read = await (notifier && readSettings(notifier, full));
    return {
      subscription,
      notifier,
      settings: read && !read.issues ? read.value : undefined,
      issues: settingsIssues(read?.issues ?? [], full),
      secretsAt: (now) => activeSecrets(secrets, now),
    };
  }
}
