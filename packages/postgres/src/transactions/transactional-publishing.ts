import type { TransactionalPublishing } from "@busbar/core/provider";
import type { Session } from "../session.ts";
import { assertOpen } from "./callers-transaction.ts";

/** Publishes within transactions of the caller, straight into the queues. Their commit notifies all processes. */
export function createTransactions({
  database,
  publisher,
  wakeUps,
}: Session): TransactionalPublishing {
  return {
    async publish(transaction, batch) {
      const executor = database.within(transaction);
      await assertOpen(executor);
      const { results, queues } = await publisher.publishWithin(executor, batch, true);
      if (queues.length > 0) wakeUps.written(queues);
      return results;
    },
  };
}
