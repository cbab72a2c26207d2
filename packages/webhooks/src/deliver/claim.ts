import type { SqlExecutor } from "@busbar/sql";
import type { AttemptTrigger } from "../contract/delivery.ts";
import type { PayloadMode } from "../contract/subscription.ts";
import { textOf, type WebhookStore, wholeOf, wholeOrNull } from "../store/webhook-store.ts";
import { type Candidate, DueEndpoints, type DueEndpointsOptions, sooner } from "./due-endpoints.ts";
import { ENDPOINT_COLUMNS, endpointOf, writeEndpoints } from "./endpoints.ts";
import { type DueDelivery, hold, splitByOrder } from "./order.ts";
import { allowedBy, withAttempts } from "./rate.ts";
import { isOneOf } from "./sql-parts.ts";

/** Deliveries of an ordered endpoint that are looked at: most may wait for others of their key. */
const LOOK_FOR_KEYS = 200;
/** Milliseconds until endpoints are looked at again that another process had locked. */
const LOCKED_AGAIN_AFTER_MS = 25;
/** Characters of a payload that is read with the claim. A longer one is read when its attempt begins. */
const READ_AT_ONCE = 65_536;

/** An event as its row has it. */
export interface StoredEvent {
  readonly id: string;
  readonly name: string;
  readonly scope: string | null;
  readonly occurredAt: Date;
  /** JSON. */
  readonly metadata: string;
  /** JSON. Null if the arguments are the payload, and where that is too long to be read with others. */
  readonly args: string | null;
  /** JSON: the payload that the delivery asks for. Null if there is none, and where it is too long. */
  readonly payload: string | null;
  /** Whether arguments and payload were too long to be read with others. */
  readonly isLong: boolean;
}

/** A delivery that this process is to attempt. */
export interface ClaimedDelivery extends DueDelivery {
  readonly id: string;
  /** The present version of the subscription. */
  readonly subscriptionVersion: number;
  /** By which the row is known to be this process's, together with the number of the attempt. */
  readonly claim: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  readonly trigger: AttemptTrigger;
  /** Attempts of the present chain that have failed. */
  readonly retriesMade: number;
  /** When the present chain began, in milliseconds since the epoch. */
  readonly since: number;
  /** Whether the event says that a failure is final. */
  readonly noRetry: boolean;
  readonly sequence: number | null;
  readonly payloadMode: PayloadMode;
  /** Whether it is the one attempt of a half-open breaker. */
  readonly isProbe: boolean;
  readonly event: StoredEvent;
}

/** What a claim has found. */
export interface Claimed {
  readonly deliveries: readonly ClaimedDelivery[];
  /** The clock of the store when they were claimed, in milliseconds since the epoch. */
  readonly now: number;
  /** This process's monotonic clock at that moment, or a little later. */
  readonly nowAt: number;
  /**
   * Milliseconds until it is worth looking again: 0 if there may be more. Undefined if nothing is known to become due.
   */
  readonly againInMs: number | undefined;
}

/** How much a claim may take. */
export interface ClaimLimits {
  /** Deliveries at most. */
  readonly limit: number;
  /** Returns how many attempts of a subscription this process may begin. */
  readonly freeFor: (subscriptionId: string) => number;
}

/** Options of {@link Claims}. */
export interface ClaimsOptions extends DueEndpointsOptions {
  /** Milliseconds after which deliveries go to another process, unless they are renewed. */
  readonly leaseMs: number;
}

/** An endpoint that is locked, and how many attempts may begin. */
interface Share extends Candidate {
  readonly quota: number;
  readonly isProbe: boolean;
}

/**
 * Claims due deliveries, a fair share for each endpoint.
 *
 * While deliveries of an endpoint are claimed, its row is locked: so concurrency, rate, order and the one attempt of a
 * half-open breaker hold over all processes.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #store: WebhookStore;
  readonly #due: DueEndpoints;
  /** Claims whose answer was lost: they may have deliveries that nobody attempts. */
  #lost: readonly string[] = [];

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#due = new DueEndpoints(options);
  }

  /** Claims deliveries that are due. */
  async claim(limits: ClaimLimits): Promise<Claimed> {
    const { freeFor } = limits;
    if (this.#lost.length > 0) await this.#giveBackLost();
    const { now, nowAt, candidates } = await this.#due.next();
    const willing = candidates.filter(({ endpoint }) => freeFor(endpoint.subscriptionId) > 0);
    const served = willing.slice(0, limits.limit);
    const { deliveries, isLocked, hasMore } = await this.#claimOf(served, limits);
    const cutAfter = served.length < willing.length ? served.at(-1) : undefined;
    const nextAt = this.#due.moveOn(cutAfter?.endpoint.subscriptionId, deliveries.length > 0);
    if (nextAt === "now" || hasMore) return { deliveries, now, nowAt, againInMs: 0 };
    const at = sooner(nextAt, isLocked ? now + LOCKED_AGAIN_AFTER_MS : undefined);
    return {
      deliveries,
      now,
      nowAt,
      againInMs: at === undefined ? undefined : Math.max(1, at - now),
    };
  }

  /** Makes the leases on deliveries last longer. */
  async renew(deliveries: readonly ClaimedDelivery[]): Promise<void> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.deliveries} SET leased_until = ${sql.now} + CAST($3 AS bigint)
        WHERE ${isOneOf(sql, "number", "$1", "bigint")} AND state = 'running'
          AND claim IN ${sql.list("$2", "text")}`,
      [
        JSON.stringify(deliveries.map(({ number }) => number)),
        JSON.stringify([...new Set(deliveries.map(({ claim }) => claim))]),
        this.#options.leaseMs,
      ],
    );
  }

  /** Reads what of an event was too long to be read with others. */
  async readLong(delivery: ClaimedDelivery): Promise<StoredEvent> {
    const { own, tables } = this.#store;
    const [row] = await own.execute(
      `SELECT args, ${delivery.payloadMode === "emitted" ? "coalesce(snapshot, payload)" : "payload"} AS payload
        FROM ${tables.events} WHERE id = $1`,
      [delivery.event.id],
    );
    return {
      ...delivery.event,
      args: textOf(row?.["args"]),
      payload: textOf(row?.["payload"]),
      isLong: false,
    };
  }

  /** Gives back deliveries whose attempts have not begun. */
  async giveBack(deliveries: readonly ClaimedDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.deliveries} SET ${GIVEN_BACK}
        WHERE ${isOneOf(sql, "number", "$1", "bigint")} AND state = 'running'
          AND claim IN ${sql.list("$2", "text")}`,
      [
        JSON.stringify(deliveries.map(({ number }) => number)),
        JSON.stringify([...new Set(deliveries.map(({ claim }) => claim))]),
      ],
    );
  }

  /** Gives back what was claimed and is not known of, as the answer of the database was lost. */
  async #giveBackLost(): Promise<void> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.deliveries} SET ${GIVEN_BACK}
        WHERE state = 'running' AND claim IN ${sql.list("$1", "text")}`,
      [JSON.stringify(this.#lost)],
    );
    this.#lost = [];
  }

  async #claimOf(
    candidates: readonly Candidate[],
    limits: ClaimLimits,
  ): Promise<{
    readonly deliveries: readonly ClaimedDelivery[];
    readonly isLocked: boolean;
    readonly hasMore: boolean;
  }> {
    if (candidates.length === 0) return { deliveries: [], isLocked: false, hasMore: false };
    // Each claim has an id of its own: one that fails is given back without those that are being attempted.
    const claim = crypto.randomUUID();
    try {
      return await this.#store.own.transaction(async (own) => {
        const shares = await this.#lock(own, candidates, limits);
        const { picked, hasMore } = await this.#pick(own, shares);
        const isLocked = shares.length < candidates.length;
        if (picked.length === 0) return { deliveries: [], isLocked, hasMore };
        const probes = new Set(
          shares.filter(({ isProbe }) => isProbe).map(({ endpoint }) => endpoint.subscriptionId),
        );
        const deliveries = await this.#take(own, claim, picked, shares, probes);
        await this.#note(own, deliveries, shares);
        return { deliveries, isLocked, hasMore };
      });
    } catch (error) {
      this.#lost = [...this.#lost, claim];
      throw error;
    }
  }

  /** Locks endpoints, but for those that others have locked, and says how many attempts of each may begin. */
  async #lock(
    own: SqlExecutor,
    candidates: readonly Candidate[],
    { limit, freeFor }: ClaimLimits,
  ): Promise<readonly Share[]> {
    const { tables, sql } = this.#store;
    const ids = JSON.stringify(candidates.map(({ endpoint }) => endpoint.subscriptionId));
    const rows = await own.execute(
      `SELECT ${ENDPOINT_COLUMNS}, ${sql.now} AS now FROM ${tables.endpoints} AS endpoints
        WHERE ${isOneOf(sql, "endpoints.subscription_id", "$1", "text")} ${sql.skipLocked}`,
      [ids],
    );
    // A statement of its own, begun after the locks were there: so it sees what others claimed before.
    const counts = await own.execute(
      `SELECT subscription_id, count(*) AS running FROM ${tables.deliveries}
        WHERE state = 'running' AND ${isOneOf(sql, "subscription_id", "$1", "text")}
        GROUP BY subscription_id`,
      [ids],
    );
    const running = new Map(
      counts.map((row) => [String(row["subscription_id"]), wholeOf(row["running"])]),
    );
    const locked = new Map(
      rows.map((row) => [String(row["subscription_id"]), { row, endpoint: endpointOf(row) }]),
    );
    const each = Math.max(1, Math.floor(limit / candidates.length));
    return candidates.flatMap((candidate) => {
      const id = candidate.endpoint.subscriptionId;
      const found = locked.get(id);
      if (!found) return [];
      const { endpoint } = found;
      const now = wholeOf(found.row["now"]);
      const { concurrency, rate } = candidate.options;
      const admitted = this.#options.breaker.admits(endpoint.health, now);
      const isResting = admitted === "none" || (endpoint.notBefore ?? 0) > now;
      const quota = Math.min(
        each,
        freeFor(id),
        concurrency - (running.get(id) ?? 0),
        rate === null ? each : allowedBy(rate, endpoint.rateWindow, now),
        isResting ? 0 : admitted === "probe" ? 1 : each,
      );
      return [{ ...candidate, endpoint, quota, isProbe: admitted === "probe" }];
    });
  }

  /** Finds the deliveries that the shares allow. Holds those that wait for others of their key. */
  async #pick(
    own: SqlExecutor,
    shares: readonly Share[],
  ): Promise<{ readonly picked: readonly DueDelivery[]; readonly hasMore: boolean }> {
    const willing = shares.filter(({ quota }) => quota > 0);
    const isOrdered = ({ options }: Share): boolean => options.orderingKey !== null;
    const ordered = willing.filter(isOrdered);
    const others = willing.filter((share) => !isOrdered(share));
    const most = Math.max(0, ...others.map(({ quota }) => quota));
    const found = [
      ...(await this.#firstDue(own, others, most)),
      ...(await this.#firstDue(own, ordered, LOOK_FOR_KEYS)),
    ];
    const parking = new Set(
      willing
        .filter(({ options }) => options.onOrderedFailure === "park")
        .map(({ endpoint }) => endpoint.subscriptionId),
    );
    const { free, held } = await splitByOrder(own, this.#store, found, (id) => parking.has(id));
    await hold(
      own,
      this.#store,
      held.map(({ number }) => number),
    );
    const left = new Map(willing.map(({ endpoint, quota }) => [endpoint.subscriptionId, quota]));
    const picked = free.filter(({ subscriptionId }) => {
      const quota = left.get(subscriptionId) ?? 0;
      left.set(subscriptionId, quota - 1);
      return quota > 0;
    });
    // Who has used its share up may have more, and so may who has found nothing but deliveries to be held.
    const hasMore = held.length > 0 || [...left.values()].some((quota) => quota <= 0);
    return { picked, hasMore };
  }

  /** The first due deliveries of each of the endpoints. */
  async #firstDue(
    own: SqlExecutor,
    shares: readonly Share[],
    most: number,
  ): Promise<readonly DueDelivery[]> {
    if (shares.length === 0) return [];
    const { tables, sql } = this.#store;
    const first = `SELECT number FROM ${tables.deliveries} AS due
      WHERE due.subscription_id = it.id AND due.state = 'waiting' AND due.due_at IS NOT NULL
        AND due.due_at <= ${sql.now} ORDER BY due.due_at, due.number LIMIT CAST($2 AS bigint)`;
    const endpoints = sql.rows("$1", { id: "text" });
    const from =
      sql.dialect === "sqlite"
        ? `${endpoints} AS it CROSS JOIN ${tables.deliveries} AS deliveries
            ON deliveries.number IN (${first})`
        : `${endpoints} AS it CROSS JOIN LATERAL (${first}) AS first
            JOIN ${tables.deliveries} AS deliveries ON deliveries.number = first.number`;
    const rows = await own.execute(
      `SELECT deliveries.number, deliveries.subscription_id, deliveries.ordering_key
        FROM ${from} ORDER BY deliveries.due_at, deliveries.number`,
      [JSON.stringify(shares.map(({ endpoint }) => ({ id: endpoint.subscriptionId }))), most],
    );
    return rows.map((row) => ({
      number: wholeOf(row["number"]),
      subscriptionId: String(row["subscription_id"]),
      orderingKey: textOf(row["ordering_key"]),
    }));
  }

  /** Makes deliveries this process's, and reads them with their events. */
  async #take(
    own: SqlExecutor,
    claim: string,
    picked: readonly DueDelivery[],
    shares: readonly Share[],
    probes: ReadonlySet<string>,
  ): Promise<readonly ClaimedDelivery[]> {
    const { tables, sql } = this.#store;
    const numbers = JSON.stringify(picked.map(({ number }) => number));
    await own.execute(
      `UPDATE ${tables.deliveries} SET state = 'running', claim = CAST($2 AS text),
          leased_until = ${sql.now} + CAST($3 AS bigint), attempts = attempts + 1,
          first_attempt_at = coalesce(first_attempt_at, ${sql.now}), last_attempt_at = ${sql.now}
        WHERE ${isOneOf(sql, "number", "$1", "bigint")} AND state = 'waiting'`,
      [numbers, claim, this.#options.leaseMs],
    );
    const payload =
      "CASE WHEN deliveries.payload_mode = 'emitted' THEN coalesce(events.snapshot, events.payload) ELSE events.payload END";
    const length = `coalesce(length(${payload}), 0) + coalesce(length(events.args), 0)`;
    const rows = await own.execute(
      `SELECT deliveries.number, deliveries.id, deliveries.subscription_id, deliveries.attempts,
          deliveries.chain_attempts, deliveries.next_trigger, deliveries.no_retry,
          deliveries.ordering_key, deliveries.sequence, deliveries.payload_mode,
          coalesce(deliveries.chain_since, deliveries.created_at) AS since,
          events.id AS event_id, events.name, events.scope, events.occurred_at, events.metadata,
          CASE WHEN ${length} <= ${READ_AT_ONCE} THEN ${payload} END AS payload,
          CASE WHEN ${length} <= ${READ_AT_ONCE} THEN events.args END AS args,
          CASE WHEN ${length} <= ${READ_AT_ONCE} THEN 0 ELSE 1 END AS is_long
        FROM ${tables.deliveries} AS deliveries
        JOIN ${tables.events} AS events ON events.id = deliveries.event_id
        WHERE ${isOneOf(sql, "deliveries.number", "$1", "bigint")}
          AND deliveries.state = 'running' AND deliveries.claim = $2`,
      [numbers, claim],
    );
    const versions = new Map(
      shares.map(({ endpoint, version }) => [endpoint.subscriptionId, version]),
    );
    return rows.map((row) => {
      const subscriptionId = String(row["subscription_id"]);
      return {
        number: wholeOf(row["number"]),
        id: String(row["id"]),
        subscriptionId,
        subscriptionVersion: versions.get(subscriptionId) ?? 0,
        claim,
        attempt: wholeOf(row["attempts"]),
        trigger: row["next_trigger"] as AttemptTrigger,
        retriesMade: wholeOf(row["chain_attempts"]),
        since: wholeOf(row["since"]),
        noRetry: wholeOf(row["no_retry"]) === 1,
        orderingKey: textOf(row["ordering_key"]),
        sequence: wholeOrNull(row["sequence"]),
        payloadMode: row["payload_mode"] as PayloadMode,
        isProbe: probes.has(subscriptionId),
        event: {
          id: String(row["event_id"]),
          name: String(row["name"]),
          scope: textOf(row["scope"]),
          occurredAt: new Date(wholeOf(row["occurred_at"])),
          metadata: String(row["metadata"]),
          args: textOf(row["args"]),
          payload: textOf(row["payload"]),
          isLong: wholeOf(row["is_long"]) === 1,
        },
      };
    });
  }

  /** Notes in the endpoints what has begun: for their rates, and for breakers that are half-open now. */
  async #note(
    own: SqlExecutor,
    deliveries: readonly ClaimedDelivery[],
    shares: readonly Share[],
  ): Promise<void> {
    const { breaker, leaseMs } = this.#options;
    const counts = new Map<string, number>();
    for (const { subscriptionId } of deliveries) {
      counts.set(subscriptionId, (counts.get(subscriptionId) ?? 0) + 1);
    }
    const concerned = shares.filter(
      ({ endpoint, isProbe, options }) =>
        counts.has(endpoint.subscriptionId) && (isProbe || options.rate !== null),
    );
    if (concerned.length === 0) return;
    const [row] = await own.execute(`SELECT ${this.#store.sql.now} AS now`);
    const now = Number(row?.["now"]);
    const changed = concerned.map(({ endpoint, isProbe, options: { rate } }) => ({
      ...endpoint,
      health: isProbe ? breaker.probing(endpoint.health, now, leaseMs) : endpoint.health,
      rateWindow:
        rate === null
          ? endpoint.rateWindow
          : withAttempts(rate, endpoint.rateWindow, now, counts.get(endpoint.subscriptionId) ?? 0),
    }));
    await writeEndpoints(own, this.#store, changed);
  }
}

/** What a delivery becomes again whose attempt has not begun. */
const GIVEN_BACK = "state = 'waiting', claim = NULL, leased_until = NULL, attempts = attempts - 1";
