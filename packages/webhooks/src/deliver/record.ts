import type { SqlExecutor, SqlRow } from "@busbar/sql";
import type { ErrorClass, NotifierResult } from "../contract/notifier.ts";
import type { DisabledReason } from "../contract/subscription.ts";
import { textOf, type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import { logAttempts, type LoggedAttempt } from "./attempt-log.ts";
import { type Breaker, type EndpointIncident, HEALTHY } from "./breaker.ts";
import type { ClaimedDelivery } from "./claim.ts";
import type { EndpointOptions, EndpointOptionsCache } from "./endpoint-options.ts";
import { type Endpoint, ENDPOINT_COLUMNS, endpointOf, writeEndpoints } from "./endpoints.ts";
import { type FreedKey, release } from "./order.ts";
import { nextAttempt, retryAfter } from "./retry-policy.ts";
import { isOneOf } from "./sql-parts.ts";

/** How an attempt ended. */
export interface AttemptResult extends NotifierResult {
  /** JSON: what was sent, where it was made for this attempt. */
  readonly payload?: string | undefined;
  /** Nothing is to be delivered: the event's entity is gone, and the event says that it is dropped then. */
  readonly isDropped?: boolean | undefined;
}

/** An attempt that has ended. */
export interface FinishedAttempt {
  readonly delivery: ClaimedDelivery;
  readonly result: AttemptResult;
  /** By the clock of the store, in milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
}

/** What others are to be told after attempts were recorded. */
export interface Recorded {
  /** What has become of endpoints. */
  readonly incidents: readonly (EndpointIncident & EndpointName)[];
  /** Subscriptions that were disabled. */
  readonly disabled: readonly DisabledEndpoint[];
  /** Deliveries that are dead now. */
  readonly exhausted: readonly FinishedAttempt[];
  /** Attempts whose lease was over, and whose delivery others have taken over. */
  readonly late: readonly FinishedAttempt[];
}

/** A subscription that was disabled. */
interface DisabledEndpoint extends EndpointName, Pick<DisabledReason, "kind" | "detail"> {
  /** To be called once it is committed. */
  readonly onCommitted: () => void;
}

interface EndpointName {
  readonly subscriptionId: string;
  readonly destination: string;
}

/** What {@link Recorder} needs. */
export interface RecorderOptions {
  readonly store: WebhookStore;
  readonly endpointOptions: EndpointOptionsCache;
  readonly breaker: Breaker;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
  /**
   * Disables a subscription within the transaction, which has its endpoint locked. Resolves with what is to be called once
   * it is committed, or with undefined if the subscription is not enabled.
   */
  readonly disable: (
    executor: SqlExecutor,
    subscriptionId: string,
    reason: Pick<DisabledReason, "kind" | "detail">,
  ) => Promise<(() => void) | undefined>;
}

/** Errors that say nothing about the endpoint. */
const NOT_OF_ENDPOINT: ReadonlySet<ErrorClass | undefined> = new Set<ErrorClass | undefined>([
  "interrupted",
  "resolve_failed",
  "payload_too_large",
  "invalid_settings",
]);

const LATE =
  "The attempt ended after its lease, when the delivery had been given to another process";

/** A subscription with its endpoint, as they are while attempts are recorded. */
interface Target {
  readonly endpoint: Endpoint;
  readonly destination: string;
  readonly isDeleted: boolean;
  readonly options: EndpointOptions;
}

/** What becomes of a delivery. */
interface Next {
  readonly state: "delivered" | "waiting" | "dead" | "cancelled";
  readonly dueAt: number | null;
  /** Whether the attempt counts as one of the chain. */
  readonly counts: boolean;
}

/** Records attempts that have ended: many in one transaction. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #store: WebhookStore;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /**
   * Writes the attempts to the log, and moves their deliveries and endpoints on: all, or nothing. Idempotent: what has been
   * recorded before stays as it is.
   */
  record(finished: readonly FinishedAttempt[]): Promise<Recorded> {
    return this.#store.own.transaction(async (own) => {
      const { now, targets } = await this.#targets(own, finished);
      const nexts = new Map(
        finished.map((each) => [each, this.#next(each, targets.get(idOf(each)), now)]),
      );
      const moved = await this.#move(own, finished, nexts);
      const isOurs = ({ delivery }: FinishedAttempt): boolean => moved.has(delivery.number);
      await logAttempts(
        own,
        this.#store,
        finished.map((each) => loggedOf(each, nexts.get(each), isOurs(each))),
      );
      const ours = finished.filter(isOurs);
      const { incidents, disabled } = await this.#endpoints(own, ours, targets, now);
      await release(own, this.#store, freedBy(ours, nexts));
      return {
        incidents,
        disabled,
        exhausted: ours.filter((each) => nexts.get(each)?.state === "dead"),
        late: finished.filter((each) => !isOurs(each)),
      };
    });
  }

  /** Reads the subscriptions and endpoints, and locks the endpoints that will change. */
  async #targets(
    own: SqlExecutor,
    finished: readonly FinishedAttempt[],
  ): Promise<{ readonly now: number; readonly targets: Map<string, Target> }> {
    const { tables, sql, forUpdate } = this.#store;
    const ids = [...new Set(finished.map(idOf))];
    const read = (these: readonly string[], lock: string): Promise<readonly SqlRow[]> =>
      own.execute(
        `SELECT ${ENDPOINT_COLUMNS}, ${sql.now} AS now, subscriptions.destination,
            subscriptions.version, subscriptions.deleted_at
          FROM ${tables.endpoints} AS endpoints
          JOIN ${tables.subscriptions} AS subscriptions ON subscriptions.id = endpoints.subscription_id
          WHERE ${isOneOf(sql, "endpoints.subscription_id", "$1", "text")}
          ORDER BY endpoints.subscription_id ${lock}`,
        [JSON.stringify(these)],
      );
    let rows = await read(ids, "");
    const changing = changingOf(finished, rows.map(endpointOf));
    if (changing.length > 0 && forUpdate !== "") {
      const locked = await read(changing, `${forUpdate} OF endpoints`);
      const again = new Set(locked.map((row) => row["subscription_id"]));
      rows = [...rows.filter((row) => !again.has(row["subscription_id"])), ...locked];
    }
    const options = await this.#options.endpointOptions.of(
      own,
      rows.map((row) => ({
        id: String(row["subscription_id"]),
        version: wholeOf(row["version"]),
      })),
    );
    const targets = new Map<string, Target>();
    for (const row of rows) {
      const endpoint = endpointOf(row);
      const of = options.get(endpoint.subscriptionId);
      if (!of) continue;
      targets.set(endpoint.subscriptionId, {
        endpoint,
        destination: textOf(row["destination"]) ?? "",
        isDeleted: row["deleted_at"] !== null,
        options: of,
      });
    }
    return { now: Number(rows[0]?.["now"] ?? finished[0]?.startedAt), targets };
  }

  #next({ delivery, result }: FinishedAttempt, target: Target | undefined, now: number): Next {
    if (result.ok) return { state: "delivered", dueAt: null, counts: true };
    if (!target || target.isDeleted || result.isDropped) {
      return { state: "cancelled", dueAt: null, counts: true };
    }
    if (result.errorClass === "interrupted") return { state: "waiting", dueAt: now, counts: false };
    const { retriesMade, since, noRetry } = delivery;
    const { random } = this.#options;
    const delay = noRetry
      ? undefined
      : nextAttempt(target.options.retry, { retriesMade, since, now, result, random });
    return delay === undefined
      ? { state: "dead", dueAt: null, counts: true }
      : { state: "waiting", dueAt: now + delay, counts: true };
  }

  /** Moves the deliveries on that are still this process's, and resolves with their numbers. */
  async #move(
    own: SqlExecutor,
    finished: readonly FinishedAttempt[],
    nexts: ReadonlyMap<FinishedAttempt, Next>,
  ): Promise<ReadonlySet<number>> {
    const { tables, sql } = this.#store;
    const values = finished.map((each) => {
      const { delivery, result } = each;
      const next = nexts.get(each)!;
      return {
        row_id: delivery.number,
        claim: delivery.claim,
        attempt: delivery.attempt,
        state: next.state,
        due_at: next.dueAt,
        counted: next.counts ? 1 : 0,
        last_status: result.status ?? null,
        last_error_class: result.ok ? null : (result.errorClass ?? "unknown"),
      };
    });
    // SQLite would begin with this list, and look through all values for each of its members.
    const isListed =
      sql.dialect === "sqlite" ? "true" : isOneOf(sql, "deliveries.number", "$2", "bigint");
    const rows = await own.execute(
      `UPDATE ${tables.deliveries} AS deliveries
        SET state = it.state, due_at = it.due_at, claim = NULL, leased_until = NULL,
          chain_attempts = chain_attempts + it.counted, next_trigger = 'retry',
          last_status = it.last_status, last_error_class = it.last_error_class
        FROM ${sql.rows("$1", COLUMNS)} AS it
        WHERE ${isListed} AND deliveries.number = it.row_id AND deliveries.state = 'running'
          AND deliveries.claim = it.claim AND deliveries.attempts = it.attempt
        RETURNING number`,
      sql.dialect === "sqlite"
        ? [JSON.stringify(values)]
        : [JSON.stringify(values), JSON.stringify(values.map(({ row_id }) => row_id))],
    );
    return new Set(rows.map((row) => wholeOf(row["number"])));
  }

  /** Tells the endpoints how their attempts ended. Disables subscriptions. */
  async #endpoints(
    own: SqlExecutor,
    finished: readonly FinishedAttempt[],
    targets: ReadonlyMap<string, Target>,
    now: number,
  ): Promise<Pick<Recorded, "incidents" | "disabled">> {
    const { breaker, disable } = this.#options;
    const changed = new Map<string, Endpoint>();
    const incidents: (EndpointIncident & EndpointName)[] = [];
    const reasons = new Map<string, EndpointName & Pick<DisabledReason, "kind" | "detail">>();
    for (const { delivery, result } of finished) {
      const { subscriptionId, isProbe } = delivery;
      const target = targets.get(subscriptionId);
      if (!target || target.isDeleted) continue;
      const { destination, options } = target;
      const before = changed.get(subscriptionId) ?? target.endpoint;
      const name = { subscriptionId, destination };
      const saysNothing = !result.ok && NOT_OF_ENDPOINT.has(result.errorClass);
      const after = saysNothing
        ? { health: breaker.undecided(before.health, isProbe, now), incidents: [] }
        : breaker.after(
            before.health,
            { ok: result.ok, retryable: result.retryable, isProbe },
            now,
          );
      const asked = result.ok ? undefined : retryAfter(options.retry, result);
      const notBefore =
        asked === undefined ? before.notBefore : Math.max(before.notBefore ?? 0, now + asked);
      if (after.health !== before.health || notBefore !== before.notBefore) {
        changed.set(subscriptionId, { ...before, health: after.health, notBefore });
      }
      for (const incident of after.incidents) {
        incidents.push({ ...incident, ...name });
        if (incident.kind === "disabled") {
          reasons.set(subscriptionId, { ...name, ...disabledBy(incident) });
        }
      }
      if (result.gone === true)
        reasons.set(subscriptionId, { ...name, kind: "gone", detail: GONE });
    }
    await writeEndpoints(own, this.#store, [...changed.values()]);
    const disabled: DisabledEndpoint[] = [];
    for (const reason of reasons.values()) {
      const { subscriptionId, kind, detail } = reason;
      const onCommitted = await disable(own, subscriptionId, { kind, detail });
      if (onCommitted) disabled.push({ ...reason, onCommitted });
    }
    return { incidents, disabled };
  }
}

const COLUMNS = {
  row_id: "bigint",
  claim: "text",
  attempt: "bigint",
  state: "text",
  due_at: "bigint",
  counted: "bigint",
  last_status: "bigint",
  last_error_class: "text",
} as const;

const GONE = "The endpoint answered that it is gone for good";

function disabledBy(
  incident: EndpointIncident & { readonly kind: "disabled" },
): Pick<DisabledReason, "kind" | "detail"> {
  const since = new Date(incident.failingSince).toISOString();
  const detail =
    incident.reason === "failures"
      ? `${incident.failures} attempts in a row have failed since ${since}`
      : `Every attempt since ${since} has failed`;
  return { kind: incident.reason, detail };
}

/** The endpoints that change: those of failures, those that were not well, and those that keep order by key. */
function changingOf(
  finished: readonly FinishedAttempt[],
  endpoints: readonly Endpoint[],
): readonly string[] {
  const ids = new Set(
    finished
      .filter(({ delivery, result }) => !result.ok || delivery.orderingKey !== null)
      .map(idOf),
  );
  for (const { subscriptionId, health } of endpoints) {
    const { breaker, failures } = health;
    if (breaker !== HEALTHY.breaker || failures > 0) ids.add(subscriptionId);
  }
  return [...ids];
}

function loggedOf(
  { delivery, result, startedAt, durationMs }: FinishedAttempt,
  next: Next | undefined,
  isOurs: boolean,
): LoggedAttempt {
  const error = result.error ?? null;
  const errorClass = result.ok ? null : (result.errorClass ?? "unknown");
  return {
    deliveryId: delivery.id,
    eventId: delivery.event.id,
    eventName: delivery.event.name,
    subscriptionId: delivery.subscriptionId,
    number: delivery.attempt,
    trigger: delivery.trigger,
    success: result.ok,
    status: result.status ?? null,
    errorClass,
    error: isOurs ? error : error === null ? LATE : `${error}. ${LATE}`,
    startedAt,
    durationMs: Math.round(durationMs),
    nextAt: isOurs ? (next?.dueAt ?? null) : null,
    requestHeaders: result.requestHeaders ?? null,
    response: result.response ?? null,
    payload: result.payload ?? null,
  };
}

/** The keys whose next delivery may be free now. */
function freedBy(
  finished: readonly FinishedAttempt[],
  nexts: ReadonlyMap<FinishedAttempt, Next>,
): readonly FreedKey[] {
  return finished.flatMap((each) => {
    const { subscriptionId, orderingKey, number } = each.delivery;
    if (orderingKey === null) return [];
    // Those behind it still wait for it.
    const before = nexts.get(each)?.state === "waiting" ? number : null;
    return [{ subscriptionId, orderingKey, before }];
  });
}

function idOf({ delivery }: FinishedAttempt): string {
  return delivery.subscriptionId;
}
