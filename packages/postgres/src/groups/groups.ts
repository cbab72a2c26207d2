import { randomUUID } from "node:crypto";
import { BusbarError } from "@busbar/core";
import {
  encodeEnvelope,
  type GroupClaim,
  type GroupStaging,
  type StagedEvent,
} from "@busbar/core/provider";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import { fromColumn, toColumn } from "@busbar/sql/feature";
import { readEnvelope } from "../stored-envelope.ts";
import type { Session } from "../session.ts";
import { assertOpen } from "../transactions/callers-transaction.ts";
import { publishWhole } from "../transactions/publish-whole.ts";
import { createGroupStatements } from "./group-statements.ts";

/** How many events one statement stages. */
const STAGED_AT_ONCE = 5_000;

/**
 * Keeps the events of groups, a row each. A release marks rows, and takes the claim on the group: a row of its own, which
 * one process has at a time. Neither staging nor expiry locks or changes rows of others, so that callers' transactions
 * that stage events of one group never wait for each other.
 */
export function createGroups(session: Session): GroupStaging {
  const { context, database } = session;
  const statements = createGroupStatements(database);

  /** The events of rows, in order, and the rows. What cannot be read is set aside, and the others are released. */
  async function read(group: string, found: readonly SqlRow[]) {
    const events: StagedEvent[] = [];
    const rows: string[] = [];
    const unreadable: string[] = [];
    for (const row of found) {
      const id = row["id"] as string;
      const envelope = readEnvelope(row["envelope"] as string);
      (envelope ? rows : unreadable).push(id);
      if (envelope) events.push({ envelope });
    }
    if (unreadable.length > 0) {
      await database.execute(statements.setAside, [JSON.stringify(unreadable)]);
      context.logger.error(
        { eventGroupId: group, table: database.table("staged_events"), rows: unreadable },
        "Staged events cannot be read: their rows are set aside, and the others are released",
      );
    }
    return { events, rows };
  }

  async function claim(group: string, leaseMs: number): Promise<GroupClaim | undefined> {
    const id = randomUUID();
    const taken = await database.execute(statements.takeClaim, [group, id, Math.ceil(leaseMs)]);
    if (taken.length === 0) return undefined;
    // One statement later: it sees what the last one who had the claim has done.
    const found = await database.execute(statements.readMarked, [group]);
    const eventGroupId = fromColumn(group);
    const { events, rows } = await read(eventGroupId, found);
    if (rows.length > 0) return { eventGroupId, events, token: encodeToken({ id, rows }) };
    await database.execute(statements.endClaim, [group, id]);
    return undefined;
  }

  return {
    async stage(eventGroupId, events, { ttlMs, transaction }) {
      if (events.length === 0) return;
      const insert = async (executor: SqlExecutor): Promise<void> => {
        for (let from = 0; from < events.length; from += STAGED_AT_ONCE) {
          const rows = rowsOf(events.slice(from, from + STAGED_AT_ONCE));
          const ttl = ttlMs === undefined ? null : Math.ceil(ttlMs);
          await executor.execute(statements.stage, [toColumn(eventGroupId), ttl, rows]);
        }
      };
      if (transaction !== undefined) {
        const executor = database.within(transaction);
        await assertOpen(executor);
        await insert(executor);
      } else if (events.length <= STAGED_AT_ONCE) await insert(database);
      else await database.transaction(insert);
    },

    async mark(eventGroupId) {
      await database.execute(statements.mark, [toColumn(eventGroupId)]);
    },

    async claim({ eventGroupId, leaseMs }) {
      if (eventGroupId !== undefined) return claim(toColumn(eventGroupId), leaseMs);
      for (;;) {
        const [next] = await database.execute(statements.nextUnclaimed);
        if (!next) return undefined;
        const claimed = await claim(next["group_id"] as string, leaseMs);
        if (claimed) return claimed;
      }
    },

    async complete({ eventGroupId, token }, envelopes) {
      const group = toColumn(eventGroupId);
      const { id, rows } = decodeToken(token);
      const results = await publishWhole(session, envelopes, async (executor) => {
        const ended = await executor.execute(statements.endClaim, [group, id]);
        if (ended.length === 0) return false;
        const gone = await executor.execute(statements.leave, [JSON.stringify(rows)]);
        return gone.length === rows.length;
      });
      if (!results) throw claimEnded(eventGroupId);
      return results;
    },

    async abandon({ eventGroupId, token }) {
      await database.execute(statements.endClaim, [toColumn(eventGroupId), decodeToken(token).id]);
    },

    async clear(eventGroupId, { eventNames, stepIds }) {
      const gone = await database.execute(statements.clear, [
        toColumn(eventGroupId),
        eventNames ? JSON.stringify(eventNames.map(toColumn)) : null,
        stepIds ? JSON.stringify(stepIds.map(toColumn)) : null,
      ]);
      return gone.length;
    },

    async list() {
      const rows = await database.execute(statements.list);
      return rows.map((row) => ({
        eventGroupId: fromColumn(row["group_id"] as string),
        events: row["events"] as number,
        stagedAt: row["staged_at"] as number,
        marked: row["marked"] === true,
      }));
    },
  };
}

/** Events as a JSON array of rows. */
function rowsOf(events: readonly StagedEvent[]): string {
  const rows = events.map(({ envelope }, position) => ({
    position,
    name: toColumn(envelope.name),
    step_id: envelope.metadata.stepId === undefined ? null : toColumn(envelope.metadata.stepId),
    envelope: encodeEnvelope(envelope),
  }));
  return JSON.stringify(rows);
}

/** The claim of a release: its id, and the rows that it has. */
interface Claim {
  readonly id: string;
  readonly rows: readonly string[];
}

function encodeToken(claim: Claim): string {
  return JSON.stringify(claim);
}

function decodeToken(token: string): Claim {
  return JSON.parse(token) as Claim;
}

function claimEnded(eventGroupId: string): BusbarError {
  const message = `The claim on group ${JSON.stringify(eventGroupId)} has ended, and another may have its events`;
  return new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "postgres" });
}
