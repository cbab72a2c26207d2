import type { SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import type { KeyRing, SecretPlace } from "../secrets/key-ring.ts";
import type { IdempotentRequests, RequestKey, RequestState } from "./idempotency.ts";

/** Milliseconds for which the answer of a request is kept. */
const KEPT_MS = 86_400_000;
/** Milliseconds after which a request that has not ended counts as one whose process has died. */
const CLAIM_MS = 60_000;

/**
 * Remembers requests in the store, so that a repeat may reach any process. If a process dies between a change and its
 * answer, a repeat after a minute makes the change again.
 */
export class StoredRequests implements IdempotentRequests {
  readonly #own: OwnWork<unknown>;
  readonly #sql: Sql;
  readonly #table: string;
  readonly #keys: Pick<KeyRing, "encrypt" | "decrypt">;

  constructor(store: SqlStore, keys: Pick<KeyRing, "encrypt" | "decrypt">) {
    this.#own = new OwnWork(store);
    this.#sql = sqlOf(store);
    this.#table = this.#sql.table("busbar_webhook_requests");
    this.#keys = keys;
  }

  async begin({ caller, key }: RequestKey, fingerprint: string): Promise<RequestState> {
    const { now } = this.#sql;
    const [claimed] = await this.#own.execute(
      `INSERT INTO ${this.#table} AS it (caller, request_key, fingerprint, claimed_until, created_at)
       VALUES ($1, $2, $3, ${now} + ${CLAIM_MS}, ${now})
       ON CONFLICT (caller, request_key) DO UPDATE
         SET fingerprint = excluded.fingerprint, claimed_until = excluded.claimed_until,
           created_at = excluded.created_at, answer = NULL
         WHERE it.created_at < excluded.created_at - ${KEPT_MS}
           OR (it.answer IS NULL AND it.claimed_until < excluded.created_at
             AND it.fingerprint = excluded.fingerprint)
       RETURNING caller`,
      [caller, key, fingerprint],
    );
    if (claimed) {
      await this.#own.execute(`DELETE FROM ${this.#table} WHERE created_at < ${now} - ${KEPT_MS}`);
      return { kind: "new" };
    }
    const [known] = await this.#own.execute(
      `SELECT fingerprint, answer FROM ${this.#table} WHERE caller = $1 AND request_key = $2`,
      [caller, key],
    );
    // Given back in between: the client asks again.
    if (!known) return { kind: "running" };
    if (known["fingerprint"] !== fingerprint) return { kind: "other" };
    return typeof known["answer"] === "string"
      ? { kind: "answered", answer: this.#keys.decrypt(known["answer"], placeOf({ caller, key })) }
      : { kind: "running" };
  }

  async finish(request: RequestKey, answer: string): Promise<void> {
    await this.#own.execute(
      `UPDATE ${this.#table} SET answer = $3
       WHERE caller = $1 AND request_key = $2 AND answer IS NULL`,
      [request.caller, request.key, this.#keys.encrypt(answer, placeOf(request))],
    );
  }

  async abandon({ caller, key }: RequestKey): Promise<void> {
    await this.#own.execute(
      `DELETE FROM ${this.#table} WHERE caller = $1 AND request_key = $2 AND answer IS NULL`,
      [caller, key],
    );
  }
}

function placeOf({ caller, key }: RequestKey): SecretPlace {
  return { subscriptionId: "", field: `answer ${JSON.stringify([caller, key])}` };
}
