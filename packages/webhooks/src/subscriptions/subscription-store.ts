import type { SqlExecutor, SqlValue } from "@busbar/sql";
import { channelOf, quoteText } from "@busbar/sql/feature";
import { matchesPattern } from "@busbar/core/provider";
import type {
  DisabledReason,
  SubscriptionFilter,
  WebhookSubscription,
} from "../contract/subscription.ts";
import { type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import {
  columnsOf,
  type StoredSubscription,
  storedOf,
  SUBSCRIPTION_LIST,
  subscriptionOf,
  VERSION_LIST,
} from "./subscription-rows.ts";

/** A place in time, and in the order of all changes. */
export interface Revision {
  /** Counts the changes of all subscriptions. Later commits have greater ones. */
  readonly revision: number;
  /** The time of the database. */
  readonly now: Date;
}

/** Who has made a change. */
export interface Change extends Revision {
  readonly by: string | null;
}

/** What the column `version` can hold at most. */
const MAX_VERSION = 2 ** 31 - 1;

/**
 * Subscriptions, as statements read and write them.
 *
 * Transactions lock in this order: endpoints, subscriptions, the state row, deliveries; several of one kind by their
 * ids. The state row is locked until the end, so that changes commit in the order of their revisions.
 */
export class SubscriptionStore {
  readonly #store: WebhookStore;
  /** The PostgreSQL channel on which changes are announced. */
  readonly channel: string;

  constructor(store: WebhookStore) {
    this.#store = store;
    this.channel = channelOf(store.tables.subscriptions);
  }

  /** Runs `work` in a transaction, again if others get in its way. */
  transaction<T>(work: (tx: SqlExecutor) => Promise<T>): Promise<T> {
    return this.#store.own.transaction(work);
  }

  /** Reads one subscription. */
  async find(id: string): Promise<StoredSubscription | undefined> {
    const [row] = await this.#store.own.execute(
      `SELECT ${SUBSCRIPTION_LIST} FROM ${this.#store.tables.subscriptions} WHERE id = $1`,
      [id],
    );
    return row && storedOf(row);
  }

  /** Reads a page of subscriptions, newest first. */
  async list(
    filter: SubscriptionFilter,
    limit: number,
    before: number | undefined,
  ): Promise<readonly StoredSubscription[]> {
    const where = await this.#where(this.#store.own, filter);
    if (before !== undefined) where.add("number < ?", before);
    const rows = await this.#store.own.execute(
      `SELECT ${SUBSCRIPTION_LIST} FROM ${this.#store.tables.subscriptions}
        WHERE ${where.text} ORDER BY number DESC LIMIT ${limit}`,
      where.values,
    );
    return rows.map(storedOf);
  }

  /** Reads a page of the versions of a subscription, newest first. */
  async versions(
    id: string,
    limit: number,
    before: number | undefined,
  ): Promise<readonly WebhookSubscription[]> {
    const rows = await this.#store.own.execute(
      `SELECT ${VERSION_LIST} FROM ${this.#store.tables.versions}
        WHERE id = $1 AND version < $2 ORDER BY version DESC LIMIT ${limit}`,
      [id, Math.min(before ?? MAX_VERSION, MAX_VERSION)],
    );
    return rows.map(subscriptionOf);
  }

  /** Reads how many changes there were. */
  async revision(): Promise<number> {
    const [row] = await this.#store.own.execute(
      `SELECT subscriptions_version AS revision FROM ${this.#store.tables.state} WHERE id = 1`,
      [],
      { isFrequent: true },
    );
    return wholeOf(row?.["revision"]);
  }

  /** Reads the subscriptions that are enabled. */
  async enabled(): Promise<readonly StoredSubscription[]> {
    const rows = await this.#store.own.execute(
      `SELECT ${SUBSCRIPTION_LIST} FROM ${this.#store.tables.subscriptions}
        WHERE enabled = 1 AND deleted_at IS NULL ORDER BY number`,
    );
    return rows.map(storedOf);
  }

  /** Reads the subscriptions that have changed after a revision. */
  async changedSince(revision: number): Promise<readonly StoredSubscription[]> {
    const rows = await this.#store.own.execute(
      `SELECT ${SUBSCRIPTION_LIST} FROM ${this.#store.tables.subscriptions}
        WHERE revision > $1 ORDER BY revision`,
      [revision],
    );
    return rows.map(storedOf);
  }

  /**
   * Locks one subscription that is not deleted.
   *
   * @param withEndpoint Whether its endpoint, or deliveries, are to be changed as well.
   */
  async lock(
    tx: SqlExecutor,
    id: string,
    withEndpoint: boolean,
  ): Promise<StoredSubscription | undefined> {
    if (withEndpoint) await this.#lockEndpoints(tx, [id]);
    const [row] = await tx.execute(
      `SELECT ${SUBSCRIPTION_LIST} FROM ${this.#store.tables.subscriptions}
        WHERE id = $1 AND deleted_at IS NULL ${this.#store.forUpdate}`,
      [id],
    );
    return row && storedOf(row);
  }

  /** Locks the subscriptions that fit a filter, and are not deleted. */
  async lockAll(
    tx: SqlExecutor,
    filter: SubscriptionFilter,
  ): Promise<readonly Pick<WebhookSubscription, "id" | "version" | "enabled">[]> {
    const { tables, forUpdate } = this.#store;
    const where = await this.#where(tx, { ...filter, deleted: false });
    const found = await tx.execute(
      `SELECT id FROM ${tables.subscriptions} WHERE ${where.text}`,
      where.values,
    );
    await this.#lockEndpoints(
      tx,
      found.map(({ id }) => String(id)),
    );
    const rows = await tx.execute(
      `SELECT id, version, enabled FROM ${tables.subscriptions}
        WHERE ${where.text} ORDER BY id ${forUpdate}`,
      where.values,
    );
    return rows.map((row) => ({
      id: String(row["id"]),
      version: wholeOf(row["version"]),
      enabled: wholeOf(row["enabled"]) === 1,
    }));
  }

  /** Tells other processes, on PostgreSQL, that something may have changed. */
  async announce(executor: SqlExecutor = this.#store.own): Promise<void> {
    const channel = quoteText(this.channel);
    await executor.execute(
      `SELECT CAST(concat('', pg_notify(${channel}, '')) AS text) AS notified`,
    );
  }

  /** Begins a change: reads the clock, and moves the revision. */
  async nextRevision(tx: SqlExecutor): Promise<Revision> {
    const { sql, tables } = this.#store;
    const [row] = await tx.execute(
      `UPDATE ${tables.state} SET subscriptions_version = subscriptions_version + 1 WHERE id = 1
        RETURNING subscriptions_version AS revision, ${sql.now} AS now`,
    );
    if (sql.dialect === "postgres") await this.announce(tx);
    return { revision: wholeOf(row?.["revision"]), now: new Date(wholeOf(row?.["now"])) };
  }

  /** Writes a new subscription, its first version, and its endpoint. */
  async insert(
    tx: SqlExecutor,
    subscription: WebhookSubscription,
    sealed: string | null,
    revision: number,
  ): Promise<StoredSubscription> {
    const columns = { ...columnsOf(subscription), revision, sealed };
    const names = Object.keys(columns);
    const places = names.map((_, index) => `$${index + 1}`).join(", ");
    const [row] = await tx.execute(
      `INSERT INTO ${this.#store.tables.subscriptions} (${names.join(", ")}) VALUES (${places})
        RETURNING ${SUBSCRIPTION_LIST}`,
      Object.values(columns),
    );
    await tx.execute(`INSERT INTO ${this.#store.tables.endpoints} (subscription_id) VALUES ($1)`, [
      subscription.id,
    ]);
    await this.#keepVersions(tx, [subscription.id]);
    return storedOf(row ?? {});
  }

  /** Writes the next version of a subscription that is locked. */
  async update(
    tx: SqlExecutor,
    subscription: WebhookSubscription,
    sealed: string | null,
    revision: number,
  ): Promise<StoredSubscription> {
    const columns = { ...columnsOf(subscription), revision, sealed };
    const sets = Object.keys(columns).map((name, index) => `${name} = $${index + 1}`);
    const [row] = await tx.execute(
      `UPDATE ${this.#store.tables.subscriptions} SET ${sets.join(", ")}
        WHERE id = $${sets.length + 1} RETURNING ${SUBSCRIPTION_LIST}`,
      [...Object.values(columns), subscription.id],
    );
    await this.#keepVersions(tx, [subscription.id]);
    return storedOf(row ?? {});
  }

  /** Enables or disables subscriptions that are locked, each as a version of its own. */
  async setEnabled(
    tx: SqlExecutor,
    ids: readonly string[],
    reason: DisabledReason | null,
    { revision, now, by }: Change,
  ): Promise<readonly StoredSubscription[]> {
    const { sql, tables } = this.#store;
    const rows = await tx.execute(
      `UPDATE ${tables.subscriptions} SET enabled = $2, disabled_kind = $3, disabled_at = $4,
          disabled_detail = $5, modified_at = $6, modified_by = $7, revision = $8, version = version + 1
        WHERE id IN ${sql.list("$1", "text")} RETURNING ${SUBSCRIPTION_LIST}`,
      [
        JSON.stringify(ids),
        reason === null ? 1 : 0,
        reason?.kind ?? null,
        reason?.at.getTime() ?? null,
        reason?.detail ?? null,
        now.getTime(),
        by,
        revision,
      ],
    );
    await this.#keepVersions(tx, ids);
    if (reason === null) await this.resetEndpoints(tx, ids);
    return rows.map(storedOf);
  }

  /** Forgets what was wrong with endpoints: their circuit breakers are closed, as those of new ones. */
  async resetEndpoints(tx: SqlExecutor, ids: readonly string[]): Promise<void> {
    const { sql, tables } = this.#store;
    await tx.execute(
      `UPDATE ${tables.endpoints} SET breaker = 'closed', failures = 0, retryable_failures = 0, failing_since = NULL,
          open_until = NULL, opened = 0, warned = 0, not_before = NULL
        WHERE subscription_id IN ${sql.list("$1", "text")}`,
      [JSON.stringify(ids)],
    );
  }

  /** Cancels the deliveries of subscriptions that wait. */
  async cancelWaiting(tx: SqlExecutor, ids: readonly string[]): Promise<void> {
    const { sql, tables } = this.#store;
    await tx.execute(
      `UPDATE ${tables.deliveries} SET state = 'cancelled', due_at = NULL
        WHERE state = 'waiting' AND subscription_id IN ${sql.list("$1", "text")}`,
      [JSON.stringify(ids)],
    );
  }

  /** Copies the present versions to where they are kept: all columns but what is secret. */
  async #keepVersions(tx: SqlExecutor, ids: readonly string[]): Promise<void> {
    const { sql, tables } = this.#store;
    await tx.execute(
      `INSERT INTO ${tables.versions} (${VERSION_LIST}) SELECT ${VERSION_LIST}
        FROM ${tables.subscriptions} WHERE id IN ${sql.list("$1", "text")}`,
      [JSON.stringify(ids)],
    );
  }

  /** A claim of deliveries has the lock of the endpoint: it must come first here as well, against deadlocks. */
  async #lockEndpoints(tx: SqlExecutor, ids: readonly string[]): Promise<void> {
    const { forUpdate, sql, tables } = this.#store;
    if (forUpdate === "") return;
    await tx.execute(
      `SELECT subscription_id FROM ${tables.endpoints}
        WHERE subscription_id IN ${sql.list("$1", "text")} ORDER BY subscription_id ${forUpdate}`,
      [JSON.stringify(ids)],
    );
  }

  async #where(executor: SqlExecutor, filter: SubscriptionFilter): Promise<Where> {
    const { sql } = this.#store;
    const where = new Where(
      filter.deleted === true ? "deleted_at IS NOT NULL" : "deleted_at IS NULL",
    );
    if (filter.ids !== undefined) {
      where.add(`id IN ${sql.list("?", "text")}`, JSON.stringify(filter.ids));
    }
    if (filter.notifier !== undefined) where.add("notifier = ?", filter.notifier);
    if (filter.scope === null) where.and("scope IS NULL");
    else if (filter.scope !== undefined) where.add("scope = ?", filter.scope);
    if (filter.enabled !== undefined) where.add("enabled = ?", filter.enabled ? 1 : 0);
    if (filter.text !== undefined) {
      const position = sql.dialect === "postgres" ? "strpos" : "instr";
      const within = (column: string): string =>
        `${position}(lower(${column}), lower(CAST(? AS text))) > 0`;
      where.add(`(${within("destination")} OR ${within("coalesce(label, '')")})`, filter.text);
    }
    if (filter.event !== undefined) {
      const patterns = await this.#patternsOf(executor, filter.event);
      where.add(
        `EXISTS (SELECT 1 FROM ${this.#eachEvent()} WHERE value IN ${sql.list("?", "text")})`,
        JSON.stringify(patterns),
      );
    }
    return where;
  }

  /** The names and patterns of all subscriptions that fit the name of an event. */
  async #patternsOf(executor: SqlExecutor, event: string): Promise<readonly string[]> {
    const rows = await executor.execute(
      `SELECT DISTINCT value FROM ${this.#store.tables.subscriptions}, ${this.#eachEvent()}`,
    );
    return rows.map(({ value }) => String(value)).filter((it) => matchesPattern(it, event));
  }

  /** A table with one row for each event of a subscription. */
  #eachEvent(): string {
    return this.#store.sql.dialect === "postgres"
      ? "json_array_elements_text(CAST(events AS json)) AS event (value)"
      : "json_each(events)";
  }
}

/** Conditions that must all hold, with their parameters. */
class Where {
  #text: string;
  readonly values: SqlValue[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  and(condition: string): void {
    this.#text += ` AND ${condition}`;
  }

  /** Adds a condition with one parameter, which is `?` in it. */
  add(condition: string, value: SqlValue): void {
    this.values.push(value);
    this.and(condition.replaceAll("?", `$${this.values.length}`));
  }
}
