import type { Database } from "../database.ts";

/** The statements of the groups. `$1` is the group wherever there is one. */
export interface GroupStatements {
  /** Adds rows at the end. `$2`: milliseconds to live or null. `$3`: the rows as a JSON array. */
  readonly stage: string;
  /** Marks what the group holds. */
  readonly mark: string;
  /** The group of the oldest marked event that nobody has a claim on. */
  readonly nextUnclaimed: string;
  /** Takes the claim on the group, if nobody has it. `$2`: the id of the claim. `$3`: milliseconds of the lease. */
  readonly takeClaim: string;
  /** Ends a claim, if it is still the one with the id `$2`. */
  readonly endClaim: string;
  /** The marked rows, in order. */
  readonly readMarked: string;
  /** Deletes marked rows. `$1`: their ids, as a JSON array. */
  readonly leave: string;
  /** Keeps rows that cannot be read, so that a person can look at them. `$1`: their ids, as a JSON array. */
  readonly setAside: string;
  /** Deletes rows that no claim has. `$2` and `$3`: names and step ids as JSON arrays, or null for any. */
  readonly clear: string;
  /** Every group that is neither released nor cleared. */
  readonly list: string;
  /** Deletes events that have expired, and claims that ended long ago. */
  readonly tidy: readonly string[];
}

/** Milliseconds after the end of its lease for which a claim is kept. Until another process takes it, it holds. */
const KEEP_CLAIMS_MS = 3_600_000;

/** Rows that one statement deletes at most. */
const TIDIED_AT_ONCE = 10_000;

/** Makes the statements for the tables of a bus. */
export function createGroupStatements({ table, now, rows, list }: Database): GroupStatements {
  const events = table("staged_events");
  const claims = table("staged_claims");
  /**
   * The staged events that meet a condition, and whether they have expired. Each row has the time to live of its group,
   * which begins again with each event. An event that joins the group changes no other row. So an event has expired
   * if the time after it, or after a later event, has passed before the next event.
   */
  const staged = (condition: string): string => `
    SELECT id, group_id, staged_at,
      bool_or(ends) OVER (PARTITION BY group_id ORDER BY staged_at DESC, id DESC) AS is_expired
    FROM (SELECT id, group_id, staged_at, coalesce(staged_at + ttl_ms <= coalesce(
        lead(staged_at) OVER (PARTITION BY group_id ORDER BY staged_at, id), ${now}), false) AS ends
      FROM ${events} WHERE state = 'staged' AND ${condition}) AS ending`;
  const ids = (query: string): string => `id = ANY (ARRAY(${query}))`;
  const idsIn = (parameter: string): string => ids(list(parameter, "bigint"));
  const columns = { name: "text", step_id: "text", envelope: "text" } as const;

  return {
    stage: `INSERT INTO ${events} (group_id, name, step_id, envelope, staged_at, ttl_ms)
      SELECT CAST($1 AS text), name, step_id, envelope, ${now}, coalesce(CAST($2 AS bigint), (
        SELECT ttl_ms FROM ${events} WHERE group_id = CAST($1 AS text) AND state = 'staged'
          AND staged_at + ttl_ms > ${now} ORDER BY staged_at DESC, id DESC LIMIT 1))
      FROM ${rows("$3", columns)} AS added ORDER BY position`,

    mark: `UPDATE ${events} SET state = 'marked' WHERE state = 'staged' AND ${ids(
      `SELECT id FROM (${staged("group_id = CAST($1 AS text)")}) AS it WHERE NOT is_expired`,
    )}`,

    nextUnclaimed: `SELECT group_id FROM ${events} AS it WHERE state = 'marked' AND NOT EXISTS (
        SELECT FROM ${claims} AS claim WHERE claim.group_id = it.group_id AND ends_at > ${now})
      ORDER BY id LIMIT 1`,

    takeClaim: `INSERT INTO ${claims} AS present (group_id, claim, ends_at)
      VALUES (CAST($1 AS text), CAST($2 AS text), ${now} + CAST($3 AS bigint))
      ON CONFLICT (group_id) DO UPDATE SET claim = excluded.claim, ends_at = excluded.ends_at
        WHERE present.ends_at <= ${now}
      RETURNING 1 AS one`,

    endClaim: `DELETE FROM ${claims}
      WHERE group_id = CAST($1 AS text) AND claim = CAST($2 AS text) RETURNING 1 AS one`,

    readMarked: `SELECT CAST(id AS text) AS id, envelope FROM ${events}
      WHERE group_id = CAST($1 AS text) AND state = 'marked' ORDER BY ${events}.id`,

    leave: `DELETE FROM ${events} WHERE state = 'marked' AND ${idsIn("$1")} RETURNING 1 AS one`,

    setAside: `UPDATE ${events} SET state = 'unreadable' WHERE state = 'marked' AND ${idsIn("$1")}`,

    clear: `DELETE FROM ${events} WHERE group_id = CAST($1 AS text)
        AND (state = 'staged' OR state = 'marked' AND NOT EXISTS (
          SELECT FROM ${claims} WHERE group_id = CAST($1 AS text) AND ends_at > ${now}))
        AND (CAST($2 AS text) IS NULL OR name IN ${list("$2", "text")})
        AND (CAST($3 AS text) IS NULL OR step_id IN ${list("$3", "text")})
      RETURNING 1 AS one`,

    list: `SELECT group_id, CAST(count(*) AS double precision) AS events,
        CAST(min(staged_at) AS double precision) AS staged_at, bool_or(is_marked) AS marked
      FROM (SELECT group_id, staged_at, false AS is_marked FROM (${staged("true")}) AS it
          WHERE NOT is_expired
        UNION ALL SELECT group_id, staged_at, true FROM ${events} WHERE state = 'marked') AS kept
      GROUP BY group_id`,

    tidy: [
      `DELETE FROM ${events} WHERE state = 'staged' AND ${ids(
        `SELECT id FROM (${staged(`group_id IN (SELECT group_id FROM ${events}
          WHERE state = 'staged' AND ttl_ms IS NOT NULL AND staged_at + ttl_ms <= ${now})`)}) AS it
        WHERE is_expired LIMIT ${TIDIED_AT_ONCE}`,
      )} RETURNING 1 AS one`,
      `DELETE FROM ${claims} WHERE ends_at <= ${now} - ${KEEP_CLAIMS_MS}`,
    ],
  };
}
