import { randomUUID } from "node:crypto";
import type { SqlExecutor } from "@busbar/sql";
import { z } from "zod";
import type {
  EventReplay,
  ReplayOptions,
  ReplayProgress,
  Replays,
  WebhookDelivery,
} from "../contract/delivery.ts";
import type { Actor, PageOf, PageOptions } from "../contract/subscription.ts";
import { notFound, stateConflict } from "../errors.ts";
import { logQueryMembers, readArgument } from "../log/log-schema.ts";
import { findDelivery } from "../log/stored-deliveries.ts";
import { countMatches, type LogSearch } from "../search/log-search.ts";
import { phrase } from "../search/query.ts";
import { storable, type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import { pageOptionsSchema } from "../subscriptions/schema.ts";
import { announce, beginAgain } from "./begin-again.ts";
import type { Rematch } from "./rematch.ts";
import { PROGRESS_COLUMNS, progressOf, type StoredOptions } from "./replay-rows.ts";

/** What {@link StoredReplays} needs of the other parts of webhooks. */
export interface ReplaysParts {
  readonly store: WebhookStore;
  readonly rematch: Rematch;
  /** Whether there is a search index. */
  readonly hasIndex: boolean;
  /** The PostgreSQL channel on which dispatchers of other processes listen. */
  readonly channel: string;
  /** Called when deliveries have been begun again. */
  readonly onBegun: () => void;
  /** Called when a replay has been written down. */
  readonly onStarted: () => void;
  /** Sends an event to the router again that is a dead letter of it. Resolves with whether it is. */
  readonly routeAgain: (eventId: string) => Promise<boolean>;
  /** Aborted when the bus stops. */
  readonly signal: AbortSignal;
}

const by = z.string().min(1).max(255).optional();
const perSecond = z.number().positive().max(100_000).optional();

const byOptions: z.ZodType<{ readonly by?: Actor | undefined }> = z.strictObject({ by });

const replayOptions: z.ZodType<ReplayOptions> = z.strictObject({
  ...logQueryMembers,
  to: z.enum(["original", "matched"], { error: "must be original or matched" }).optional(),
  perSecond,
  by,
});

const recoverOptions: z.ZodType<NonNullable<Parameters<Replays["recover"]>[1]>> = z.strictObject({
  subscriptionId: z.string().min(1).max(255).optional(),
  perSecond,
  by,
});

const DEFAULT_LIMIT = 50;

/** Replays, in the store. */
export class StoredReplays implements Replays {
  readonly #parts: ReplaysParts;
  readonly #store: WebhookStore;

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
    this.#store = parts.store;
  }

  async delivery(
    deliveryId: string,
    options: { readonly by?: Actor | undefined } = {},
  ): Promise<WebhookDelivery> {
    const { by } = readArgument("webhooks.replays.delivery()", byOptions, options);
    const id = storable(deliveryId);
    const query = `delivery_id:${phrase(id)}`;
    const begun = await this.#store.own.transaction((own) =>
      this.#once(own, query, by, (replayId) =>
        beginAgain(own, this.#store, [id], { replayId, trigger: "manual" }),
      ),
    );
    const delivery = await findDelivery(this.#store, id);
    if (!delivery) throw notFound("delivery", deliveryId);
    if (begun === 0) throw await this.#whyNot(delivery);
    this.#parts.onBegun();
    return delivery;
  }

  async event(
    eventId: string,
    options: { readonly by?: Actor | undefined } = {},
  ): Promise<EventReplay> {
    const { by } = readArgument("webhooks.replays.event()", byOptions, options);
    const { rematch, routeAgain, onBegun, signal } = this.#parts;
    const id = storable(eventId);
    const expunged = await this.#expunged(id);
    if (expunged === undefined) {
      if (await routeAgain(id)) return { deliveries: null };
      throw notFound("event", eventId);
    }
    if (expunged) throw stateConflict("event", eventId, NO_PAYLOAD);
    const events = await rematch.match([id], signal);
    const query = `event_id:${phrase(id)}`;
    const deliveries = await this.#store.own.transaction((own) =>
      this.#once(own, query, by, (replayId) =>
        rematch.begin(own, events, { replayId, trigger: "manual" }),
      ),
    );
    if (deliveries > 0) onBegun();
    return { deliveries };
  }

  async count(options: ReplayOptions): Promise<number> {
    const { query, since, until } = readArgument(
      "webhooks.replays.count()",
      replayOptions,
      options,
    );
    return this.#count({ query, since: since?.getTime(), until: until?.getTime() });
  }

  async start(options: ReplayOptions): Promise<ReplayProgress> {
    const read = readArgument("webhooks.replays.start()", replayOptions, options);
    const { query, since, until, to = "original", perSecond, by } = read;
    const times = { since: since?.getTime(), until: until?.getTime() };
    return this.#start({ query, ...times, to, perSecond }, by);
  }

  async recover(
    since: Date,
    options: Parameters<Replays["recover"]>[1] = {},
  ): Promise<ReplayProgress> {
    const call = "webhooks.replays.recover()";
    const { since: from } = readArgument(call, z.strictObject({ since: z.date() }), { since });
    const { subscriptionId, perSecond, by } = readArgument(call, recoverOptions, options);
    const of = subscriptionId === undefined ? "" : ` AND subscription_id:${phrase(subscriptionId)}`;
    const deadSince = from.getTime();
    return this.#start({ query: `status:dead${of}`, deadSince, to: "original", perSecond }, by);
  }

  async get(id: string): Promise<ReplayProgress | undefined> {
    const { own, tables } = this.#store;
    const [row] = await own.execute(
      `SELECT ${PROGRESS_COLUMNS} FROM ${tables.replays} WHERE id = $1`,
      [storable(id)],
    );
    return row && progressOf(row);
  }

  async list(page: PageOptions = {}): Promise<PageOf<ReplayProgress>> {
    const call = "webhooks.replays.list()";
    const { limit = DEFAULT_LIMIT, cursor } = readArgument(call, pageOptionsSchema, page);
    const { own, tables } = this.#store;
    const rows = await own.execute(
      `SELECT ${PROGRESS_COLUMNS} FROM ${tables.replays} WHERE number < $1
        ORDER BY number DESC LIMIT ${limit + 1}`,
      [Number(cursor ?? Number.MAX_SAFE_INTEGER)],
    );
    const shown = rows.slice(0, limit);
    return {
      items: shown.map(progressOf),
      cursor: rows.length > limit ? String(shown.at(-1)?.["number"]) : null,
    };
  }

  async cancel(id: string): Promise<ReplayProgress> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.replays} SET state = 'cancelled', claim = NULL, finished_at = ${sql.now}
        WHERE id = $1 AND state = 'running'`,
      [storable(id)],
    );
    const replay = await this.get(id);
    if (!replay) throw notFound("replay", id);
    return replay;
  }

  async #start(options: StoredOptions, by: Actor | undefined): Promise<ReplayProgress> {
    const { own, tables, sql } = this.#store;
    const [latest] = await own.execute(
      `SELECT coalesce(max(number), 0) AS latest FROM ${tables.deliveries}`,
    );
    const upTo = wholeOf(latest?.["latest"]);
    const total = await this.#count({ ...options, upTo });
    const [row] = await own.execute(
      `INSERT INTO ${tables.replays} (id, state, options, total, leased_until, created_at, created_by)
        VALUES ($1, 'running', $2, $3, ${sql.now}, ${sql.now}, $4) RETURNING ${PROGRESS_COLUMNS}`,
      [randomUUID(), JSON.stringify({ ...options, upTo }), total, by ?? null],
    );
    this.#parts.onStarted();
    return progressOf(row!);
  }

  #count(search: LogSearch): Promise<number> {
    const index = this.#parts.hasIndex;
    return countMatches(this.#store.store, "deliveries", { ...search, index });
  }

  /** Does what `begin` does, and notes who has asked for it. Nothing is noted if nothing is begun. */
  async #once(
    own: SqlExecutor,
    query: string,
    by: Actor | undefined,
    begin: (replayId: string) => Promise<number>,
  ): Promise<number> {
    const { tables, sql } = this.#store;
    const id = randomUUID();
    const begun = await begin(id);
    if (begun === 0) return 0;
    await own.execute(
      `INSERT INTO ${tables.replays} (id, state, options, total, done, leased_until, created_at,
          created_by, finished_at)
        VALUES ($1, 'done', $2, $3, $3, ${sql.now}, ${sql.now}, $4, ${sql.now})`,
      [id, JSON.stringify({ query, to: "original" }), begun, by ?? null],
    );
    await announce(own, this.#store, this.#parts.channel);
    return begun;
  }

  async #whyNot({ id, state, subscriptionId }: WebhookDelivery): Promise<Error> {
    const { own, tables } = this.#store;
    const [row] = await own.execute(
      `SELECT deleted_at FROM ${tables.subscriptions} WHERE id = $1`,
      [subscriptionId],
    );
    if (row?.["deleted_at"] !== null) {
      const reason = "cannot be replayed: its subscription is deleted";
      return stateConflict("delivery", id, { state: "subscription-deleted", reason });
    }
    if (state !== "running") return stateConflict("delivery", id, NO_PAYLOAD);
    const reason = "cannot be replayed while an attempt is running";
    return stateConflict("delivery", id, { state, reason });
  }

  /** Whether the payload of an event was deleted. Undefined if the event is not in the store. */
  async #expunged(id: string): Promise<boolean | undefined> {
    const { own, tables } = this.#store;
    const [row] = await own.execute(`SELECT expunged FROM ${tables.events} WHERE id = $1`, [id]);
    return row && wholeOf(row["expunged"]) === 1;
  }
}

const NO_PAYLOAD = {
  state: "payload-deleted",
  reason: "cannot be replayed: its payload is no longer stored",
} as const;
