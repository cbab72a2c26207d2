/* oxlint-disable no-unused-expressions -- a statement is a tagged template */
import { BusbarError, type GroupStaging, type StagedEvent } from "@busbar/core";
import { route } from "./deliveries.ts";
import type { Store } from "./store.ts";

type Row = { id: number; group_id: string; event: string };

/** Keeps the events of groups until they are released or cleared. */
export function createGroups(store: Store): GroupStaging {
  const { sql, now, changed } = store;

  /** What has expired goes before anything else. The bus asks for claims every few seconds. */
  const write = <T>(work: () => T): Promise<T> =>
    store.write(() => {
      sql`DELETE FROM staged_events WHERE expires_at <= ${now()} AND marked = 0`;
      return work();
    });

  return {
    stage: (group, events, { ttlMs }) =>
      write(() => {
        for (const event of events) {
          sql`INSERT INTO staged_events (group_id, event, staged_at)
            VALUES (${JSON.stringify(group)}, ${JSON.stringify(event)}, ${now()})`;
        }
        if (ttlMs !== undefined)
          sql`UPDATE staged_events SET expires_at = ${now() + ttlMs}
            WHERE group_id = ${JSON.stringify(group)}`;
      }),

    mark: (group) =>
      write(() => {
        sql`UPDATE staged_events SET marked = 1 WHERE group_id = ${JSON.stringify(group)}`;
      }),

    async claim({ eventGroupId, leaseMs }) {
      const token = crypto.randomUUID();
      const claimed = await write(
        () => sql<Row>`
        UPDATE staged_events SET claim = ${token}, claimed_until = ${now() + leaseMs}
        WHERE marked = 1 AND group_id = (SELECT group_id FROM staged_events
          WHERE group_id = ifnull(${JSON.stringify(eventGroupId)}, group_id)
          GROUP BY group_id HAVING max(marked) = 1 AND max(claimed_until) <= ${now()} LIMIT 1)
        RETURNING *`,
      );
      if (!claimed[0]) return undefined;
      const events: StagedEvent[] = claimed
        .sort((a, b) => a.id - b.id)
        .map(({ event }) => JSON.parse(event));
      return { eventGroupId: JSON.parse(claimed[0].group_id), events, token };
    },

    async complete({ eventGroupId, events, token }, envelopes, { deadline }) {
      const results = await store.write(() => {
        const claimed = sql`DELETE FROM staged_events WHERE claim = ${token} RETURNING id`;
        if (claimed.length === events.length) return route(store, envelopes);
        const message = `The claim on group "${eventGroupId}" has ended`;
        throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "sqlite" });
      }, deadline);
      changed();
      return results;
    },

    abandon: ({ token }) =>
      write(() => {
        sql`UPDATE staged_events SET claim = NULL, claimed_until = 0 WHERE claim = ${token}`;
      }),

    clear: (group, { eventNames, stepIds }) =>
      write(() => {
        const cleared = sql<Row>`SELECT * FROM staged_events
          WHERE group_id = ${JSON.stringify(group)} AND claimed_until <= ${now()}`;
        const gone = cleared.filter(({ event }) => {
          const { name, metadata }: StagedEvent["envelope"] = JSON.parse(event).envelope;
          const hasStep = stepIds?.includes(metadata.stepId ?? "") ?? true;
          return hasStep && (eventNames?.includes(name) ?? true);
        });
        for (const { id } of gone) sql`DELETE FROM staged_events WHERE id = ${id}`;
        return gone.length;
      }),

    async list() {
      const groups = await write(
        () => sql<{ id: string; events: number; at: number; marked: number }>`
        SELECT group_id AS id, count(*) AS events, min(staged_at) AS at, max(marked) AS marked
        FROM staged_events GROUP BY group_id`,
      );
      return groups.map(({ id, events, at, marked }) => {
        return { eventGroupId: JSON.parse(id), events, stagedAt: at, marked: marked === 1 };
      });
    },
  };
}
