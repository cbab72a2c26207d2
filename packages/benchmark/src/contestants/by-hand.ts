import { migrate, pgStore } from "@busbar/outbox";
import { EVENT_NAME, type Order } from "../order.ts";
import { rowsOf } from "./pg.ts";
import type { OpenQueue } from "./transactional-queue.ts";

/** Rows of one delete. */
const BATCH = 1_000;

/**
 * What one writes by hand, in the table of Busbar: rows are inserted, then deleted and handed over
 * without being claimed. A crash loses what was deleted: it is the limit, not an outbox.
 */
export const openByHand: OpenQueue = async ({ pool, handler }) => {
  await migrate(pgStore({ pool }));
  const remove = async (): Promise<void> => {
    for (;;) {
      const rows = await rowsOf<{ readonly envelope: string }>(
        pool,
        `DELETE FROM busbar_outbox WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM busbar_outbox WHERE state = 'pending'
          ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))
        RETURNING envelope`,
      );
      if (rows.length === 0) return;
      for (const { envelope } of rows) {
        await handler((JSON.parse(envelope) as { readonly data: Order }).data);
      }
    }
  };
  let removing: Promise<void> = Promise.resolve();
  return {
    table: "busbar_outbox",
    add(client, orders) {
      const values = orders.flatMap((data) => {
        const id = crypto.randomUUID();
        return [id, EVENT_NAME, JSON.stringify({ id, name: EVENT_NAME, data }), Date.now()];
      });
      const rows = orders.map((_, index) => {
        const at = index * 4;
        return `($${at + 1}, $${at + 2}, $${at + 3}, 'pending', $${at + 4})`;
      });
      return client.query(
        `INSERT INTO busbar_outbox (event_id, name, envelope, state, created_at)
        VALUES ${rows.join(", ")}`,
        values,
      );
    },
    async start() {
      removing = remove();
    },
    whenEmpty: () => removing,
    close: () => removing,
  };
};
