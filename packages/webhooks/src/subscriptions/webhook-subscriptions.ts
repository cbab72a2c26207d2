import { randomUUID } from "node:crypto";
import type { Issue } from "@busbar/core";
import type { SqlExecutor } from "@busbar/sql";
import type { z } from "zod";
import type { OperationalEvents } from "../contract/operational-events.ts";
import type {
  BulkResult,
  ChangeOptions,
  CreatedSubscription,
  DisabledReason,
  NewSubscription,
  PageOf,
  PageOptions,
  Secret,
  SecretOptions,
  SubscriptionChange,
  SubscriptionFilter,
  WebhookSubscription,
  WebhookSubscriptions,
} from "../contract/subscription.ts";
import { invalidRequest, notFound, versionConflict } from "../errors.ts";
import { rotateSecrets } from "../secrets/rotation.ts";
import { newSecret, secretFrom } from "../secrets/secret-text.ts";
import {
  changeOptionsSchema,
  createOptionsSchema,
  newSubscriptionSchema,
  pageOptionsSchema,
  type ParsedChange,
  type ParsedRotation,
  readWith,
  rotateSecretSchema,
  subscriptionChangeSchema,
  subscriptionFilterSchema,
} from "./schema.ts";
import type { Sealer } from "./sealer.ts";
import { type Checked, problemOfSecret, type SubscriptionRules } from "./subscription-rules.ts";
import { type SealedParts, secretsOf, type StoredSubscription } from "./subscription-rows.ts";
import type { SubscriptionStore } from "./subscription-store.ts";

/** A change of a subscription, as its operational event says it. */
export type Changed = OperationalEvents["webhooks.subscription.changed"];

/** What subscriptions need. */
export interface SubscriptionsOptions {
  readonly store: SubscriptionStore;
  readonly rules: SubscriptionRules;
  readonly sealer: Sealer;
  /** Hears of each change of this process, once it is committed. */
  readonly onChanged: (stored: StoredSubscription, change: Changed) => void;
}

const DEFAULT_LIMIT = 50;

/** The webhook subscriptions, in the store. */
export class StoredSubscriptions implements WebhookSubscriptions {
  readonly #store: SubscriptionStore;
  readonly #rules: SubscriptionRules;
  readonly #sealer: Sealer;
  readonly #onChanged: SubscriptionsOptions["onChanged"];

  constructor({ store, rules, sealer, onChanged }: SubscriptionsOptions) {
    this.#store = store;
    this.#rules = rules;
    this.#sealer = sealer;
    this.#onChanged = onChanged;
  }

  async create(
    given: NewSubscription,
    options: ChangeOptions & SecretOptions = {},
  ): Promise<CreatedSubscription> {
    const call = "webhooks.subscriptions.create()";
    const { by, anySecret } = read(call, createOptionsSchema, options);
    const { value, issues } = readWith(newSubscriptionSchema, given);
    const checked = value ?? rightMembers(given, issues, { notifier: "http", settings: {} });
    const rest = await this.#rules.check({ ...checked, anySecret }, undefined);
    const all = [...issues, ...rest.issues];
    if (value === undefined || all.length > 0) throw invalidRequest(call, all);
    const { secret: givenSecret, ...settings } = value;
    const signs = this.#rules.notifier(value.notifier)?.signs === true;
    const madeSecret = givenSecret === undefined && signs ? newSecret() : null;
    const text = givenSecret ?? madeSecret;
    const id = randomUUID();
    const { shown, secret } = this.#rules.split(value.notifier, rest.settings);
    const stored = await this.#store.transaction(async (tx) => {
      const { revision, now } = await this.#store.nextRevision(tx);
      const secrets = text === null ? [] : [secretFrom(text, now)];
      const subscription: WebhookSubscription = {
        ...settings,
        id,
        version: 1,
        events: unique(settings.events),
        settings: shown,
        secrets: secrets.map(withoutValue),
        disabled: settings.enabled ? null : manually(now, by),
        createdAt: now,
        createdBy: by ?? null,
        modifiedAt: now,
        modifiedBy: by ?? null,
        deletedAt: null,
      };
      const sealed = this.#sealer.seal(id, { secrets: textsOf(secrets), settings: secret });
      return this.#store.insert(tx, subscription, sealed, revision);
    });
    this.#changed(stored, "created", by);
    return { ...stored.subscription, secret: madeSecret };
  }

  async get(id: string): Promise<WebhookSubscription | undefined> {
    return isId(id) ? (await this.#store.find(id))?.subscription : undefined;
  }

  async list(
    filter: SubscriptionFilter = {},
    page: PageOptions = {},
  ): Promise<PageOf<WebhookSubscription>> {
    const call = "webhooks.subscriptions.list()";
    const { limit = DEFAULT_LIMIT, cursor } = read(call, pageOptionsSchema, page);
    const found = await this.#store.list(
      read(call, subscriptionFilterSchema, filter),
      limit + 1,
      cursor === undefined ? undefined : Number(cursor),
    );
    const items = found.slice(0, limit);
    return {
      items: items.map(({ subscription }) => subscription),
      cursor: found.length > limit ? String(items.at(-1)?.number) : null,
    };
  }

  async versions(id: string, page: PageOptions = {}): Promise<PageOf<WebhookSubscription>> {
    const call = "webhooks.subscriptions.versions()";
    const { limit = DEFAULT_LIMIT, cursor } = read(call, pageOptionsSchema, page);
    const before = cursor === undefined ? undefined : Number(cursor);
    const found = isId(id) ? await this.#store.versions(id, limit + 1, before) : [];
    if (found.length === 0 && before === undefined) throw notFound("webhook subscription", id);
    const items = found.slice(0, limit);
    return { items, cursor: found.length > limit ? String(items.at(-1)?.version) : null };
  }

  async update(
    id: string,
    change: SubscriptionChange,
    options: ChangeOptions = {},
  ): Promise<WebhookSubscription> {
    const call = "webhooks.subscriptions.update()";
    const who = read(call, changeOptionsSchema, options);
    const { value, issues } = readWith(subscriptionChangeSchema, change);
    const given = value ?? rightMembers(change, issues);
    const withEndpoint = given.enabled === true || isAboutEndpoint(given);
    return this.#change(id, { ...who, withEndpoint }, async (tx, stored) => {
      const { subscription } = stored;
      const plan = await this.#plan(stored, given);
      const all = [...issues, ...plan.issues];
      if (all.length > 0) throw invalidRequest(call, all);
      const next = plan.next;
      if (!plan.isSealedAnew && sameJson(subscription, next)) return undefined;
      const isToggled = next.enabled !== subscription.enabled;
      const { revision, now } = await this.#store.nextRevision(tx);
      const disabled = next.enabled
        ? null
        : isToggled
          ? manually(now, who.by)
          : subscription.disabled;
      const { secrets, sealed } = this.#withSecret(stored, plan, now);
      const after = await this.#store.update(
        tx,
        { ...nextVersion(next, now, who.by), disabled, secrets },
        sealed,
        revision,
      );
      const isElsewhere =
        plan.isSealedAnew || ENDPOINT.some((name) => !sameJson(subscription[name], next[name]));
      if (isElsewhere || (isToggled && next.enabled)) await this.#store.resetEndpoints(tx, [id]);
      const isOnlyToggled = isToggled && sameJson({ ...subscription, enabled: next.enabled }, next);
      return [after, isOnlyToggled ? (next.enabled ? "enabled" : "disabled") : "updated"];
    });
  }

  async delete(id: string, options: ChangeOptions = {}): Promise<WebhookSubscription> {
    const who = read("webhooks.subscriptions.delete()", changeOptionsSchema, options);
    return this.#change(id, { ...who, withEndpoint: true }, async (tx, { subscription }) => {
      const { revision, now } = await this.#store.nextRevision(tx);
      const next = { ...nextVersion(subscription, now, who.by), deletedAt: now };
      const after = await this.#store.update(tx, next, null, revision);
      await this.#store.cancelWaiting(tx, [id]);
      return [after, "deleted"];
    });
  }

  async setEnabled(
    filter: SubscriptionFilter,
    enabled: boolean,
    options: ChangeOptions = {},
  ): Promise<BulkResult> {
    const call = "webhooks.subscriptions.setEnabled()";
    const { by, ifVersion } = read(call, changeOptionsSchema, options);
    const wanted = read(call, subscriptionFilterSchema, filter);
    if (typeof enabled !== "boolean") {
      throw invalidRequest(call, [{ path: "enabled", reason: "must be true or false" }]);
    }
    const { all, changed } = await this.#store.transaction(async (tx) => {
      const found = await this.#store.lockAll(tx, wanted);
      const other = found.find(({ version }) => ifVersion !== undefined && version !== ifVersion);
      if (other) throw versionConflict(other.id, ifVersion ?? 0, other.version);
      const ids = found.filter((it) => it.enabled !== enabled).map((it) => it.id);
      if (ids.length === 0) return { all: found.length, changed: [] };
      const { revision, now } = await this.#store.nextRevision(tx);
      const change = { revision, now, by: by ?? null };
      const reason = enabled ? null : manually(now, by);
      return { all: found.length, changed: await this.#store.setEnabled(tx, ids, reason, change) };
    });
    for (const stored of changed) this.#changed(stored, enabled ? "enabled" : "disabled", by);
    return { changed: changed.length, unchanged: all - changed.length };
  }

  async rotateSecret(
    id: string,
    options: ParsedRotation = {},
  ): Promise<{ readonly subscription: WebhookSubscription; readonly secret: string }> {
    const call = "webhooks.subscriptions.rotateSecret()";
    const { secret: given, graceMs, anySecret, ...who } = read(call, rotateSecretSchema, options);
    const problem = given === undefined ? undefined : problemOfSecret(given, anySecret);
    if (problem !== undefined) throw invalidRequest(call, [{ path: "secret", reason: problem }]);
    let text = "";
    const subscription = await this.#change(id, who, async (tx, stored) => {
      const parts = this.#sealer.open(id, stored.sealed);
      const before = secretsOf(stored.subscription, parts);
      text = given ?? newSecret(before[0]?.type);
      const { revision, now } = await this.#store.nextRevision(tx);
      const secrets = rotateSecrets(before, secretFrom(text, now), { now, graceMs });
      const next = {
        ...nextVersion(stored.subscription, now, who.by),
        secrets: secrets.map(withoutValue),
      };
      const sealed = this.#sealer.seal(id, { ...parts, secrets: textsOf(secrets) });
      return [await this.#store.update(tx, next, sealed, revision), "secret-rotated"];
    });
    return { subscription, secret: text };
  }

  /**
   * Disables a subscription within a transaction that has its endpoint locked already, because of what the endpoint
   * does.
   *
   * @returns What is to be called once the transaction is committed. Undefined if the subscription is disabled or
   * deleted already.
   */
  async disable(
    tx: SqlExecutor,
    id: string,
    { kind, detail }: Pick<DisabledReason, "kind" | "detail">,
  ): Promise<(() => void) | undefined> {
    const [found] = await this.#store.lockAll(tx, { ids: [id], enabled: true });
    if (!found) return undefined;
    const { revision, now } = await this.#store.nextRevision(tx);
    const reason: DisabledReason = { kind, detail, at: now };
    const [after] = await this.#store.setEnabled(tx, [id], reason, { revision, now, by: null });
    return after && (() => this.#changed(after, "disabled", undefined));
  }

  /** Changes one subscription. `work` returns undefined if there is nothing to change. */
  async #change(
    id: string,
    { by, ifVersion, withEndpoint = false }: ChangeOptions & { readonly withEndpoint?: boolean },
    work: (
      tx: SqlExecutor,
      stored: StoredSubscription,
    ) => Promise<readonly [StoredSubscription, Changed["change"]] | undefined>,
  ): Promise<WebhookSubscription> {
    const { stored, kind } = await this.#store.transaction(async (tx) => {
      const before = isId(id) ? await this.#store.lock(tx, id, withEndpoint) : undefined;
      if (!before) throw notFound("webhook subscription", id);
      const { version } = before.subscription;
      if (ifVersion !== undefined && version !== ifVersion) {
        throw versionConflict(id, ifVersion, version);
      }
      const result = await work(tx, before);
      return { stored: result?.[0] ?? before, kind: result?.[1] };
    });
    if (kind !== undefined) this.#changed(stored, kind, by);
    return stored.subscription;
  }

  #changed(stored: StoredSubscription, change: Changed["change"], by: string | undefined): void {
    const { id, version } = stored.subscription;
    this.#onChanged(stored, { subscriptionId: id, version, change, by: by ?? null });
  }

  /** What a subscription becomes by a change, and everything that is wrong with that. */
  async #plan(stored: StoredSubscription, change: ParsedChange): Promise<Plan> {
    const { subscription, sealed } = stored;
    const given = Object.fromEntries(
      Object.entries(change).filter(([, value]) => value !== undefined),
    ) as SubscriptionChange;
    const next = { ...subscription, ...given, events: unique(given.events ?? subscription.events) };
    // Whether a destination is right may depend on the settings, and whether settings are right on the notifier.
    const isEndpoint = isAboutEndpoint(given);
    const parts = isEndpoint ? this.#sealer.open(subscription.id, sealed) : undefined;
    const settings = { shown: subscription.settings, secret: parts?.settings ?? [] };
    const { notifier, destination } = next;
    const checked: Checked = {
      ...given,
      ...(isEndpoint && { notifier, destination, settings: next.settings }),
    };
    const found = await this.#rules.check(checked, { events: subscription.events, settings });
    if (parts === undefined || found.issues.length > 0) {
      return { next, issues: found.issues, isSealedAnew: false, parts };
    }
    const split = this.#rules.split(notifier, found.settings);
    return {
      next: { ...next, settings: split.shown },
      issues: [],
      isSealedAnew: !sameJson(split.secret, parts.settings),
      parts: { ...parts, settings: split.secret },
    };
  }

  /** The secrets after a change: a first one for a subscription that has none, and whose notifier signs now. */
  #withSecret(
    { subscription, sealed }: StoredSubscription,
    { next, parts, isSealedAnew }: Plan,
    now: Date,
  ): Pick<WebhookSubscription, "secrets"> & Pick<StoredSubscription, "sealed"> {
    const isMissing =
      parts !== undefined &&
      subscription.secrets.length === 0 &&
      this.#rules.notifier(next.notifier)?.signs === true;
    if (isMissing) {
      const secrets = [secretFrom(newSecret(), now)];
      return {
        secrets: secrets.map(withoutValue),
        sealed: this.#sealer.seal(subscription.id, { ...parts, secrets: textsOf(secrets) }),
      };
    }
    return {
      secrets: subscription.secrets,
      sealed: parts && isSealedAnew ? this.#sealer.seal(subscription.id, parts) : sealed,
    };
  }
}

/** What a change comes to. */
interface Plan {
  readonly next: WebhookSubscription;
  readonly issues: readonly Issue[];
  /** What is secret, if it was read for the change. */
  readonly parts: SealedParts | undefined;
  /** Whether secret members of the settings are other ones than before. */
  readonly isSealedAnew: boolean;
}

/** What makes the endpoint of a subscription. */
const ENDPOINT = ["notifier", "destination", "settings"] as const;

function isAboutEndpoint(change: ParsedChange): boolean {
  return ENDPOINT.some((name) => change[name] !== undefined);
}

/** @throws BusbarError `BUSBAR_INVALID_REQUEST` with everything that is wrong. */
function read<T>(call: string, schema: z.ZodType<T>, value: unknown): T {
  const result = readWith(schema, value);
  if (result.value === undefined) throw invalidRequest(call, result.issues);
  return result.value;
}

/** Those members of a malformed request with which nothing is wrong: they may have other faults. */
function rightMembers(given: unknown, issues: readonly Issue[], byDefault: Checked = {}): Checked {
  if (typeof given !== "object" || given === null || issues.some(({ path }) => path === "")) {
    return {};
  }
  const wrong = new Set(issues.map(({ path }) => /^[^.[]*/.exec(path)?.[0]));
  const all = { ...byDefault, ...given };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !wrong.has(name)));
}

/** Whether a text could be an id. PostgreSQL refuses to look for some others. */
function isId(id: unknown): boolean {
  return typeof id === "string" && /^[\w-]{1,64}$/.test(id);
}

function nextVersion(
  subscription: WebhookSubscription,
  now: Date,
  by: string | undefined,
): WebhookSubscription {
  const version = subscription.version + 1;
  return { ...subscription, version, modifiedAt: now, modifiedBy: by ?? null };
}

function manually(at: Date, by: string | undefined): DisabledReason {
  return { kind: "manual", at, detail: by === undefined ? "Disabled" : `Disabled by ${by}` };
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function unique(events: readonly string[]): readonly string[] {
  return [...new Set(events)];
}

function withoutValue({ value: _value, ...info }: Secret): Omit<Secret, "value"> {
  return info;
}

function textsOf(secrets: readonly Secret[]): Readonly<Record<string, string>> {
  return Object.fromEntries(secrets.map(({ id, value }) => [id, value]));
}
