import type { Mutant } from "./mutants.ts";
import { TestTransaction, type TransactionMistakes, transactional } from "./transactional.ts";

/** Of publishes within transactions of the caller. */
export const transactionMutants: readonly Mutant[] = [
  mutant(
    "publishes before the transaction commits",
    ["transactions/commit", "transactions/rollback", "transactions/bus"],
    {
      publish: async (_transaction, _batch, publish) => void (await publish()),
    },
  ),
  mutant("forgets what a transaction has published", ["transactions/commit", "transactions/bus"], {
    publish: () => {},
  }),
  mutant("publishes what was rolled back", ["transactions/rollback", "transactions/bus"], {
    begin: () =>
      new (class extends TestTransaction {
        override rollback = (): Promise<void> => this.commit();
      })(),
  }),
  mutant("publishes in a transaction that has ended", ["transactions/ended"], {
    publish(transaction, _batch, publish) {
      try {
        transaction.add(publish);
      } catch {
        void publish();
      }
    },
  }),
  mutant("aborts the transaction in which an event is refused", ["transactions/refused"], {
    refused: (transaction) => transaction.abort(),
  }),
  mutant(
    "publishes nothing while a transaction is open",
    ["transactions/open"],
    waitingForCommits(),
  ),
  mutant(
    "refuses a key that another transaction has published",
    ["transactions/same-keys"],
    lockingKeys(),
  ),
  mutant("stages groups outside of the transaction", ["transactions/groups"], {
    stagesAtOnce: true,
  }),
];

function mutant(
  mistake: string,
  caughtBy: readonly string[],
  mistakes: TransactionMistakes,
): Mutant {
  return {
    mistake,
    caughtBy,
    harness: () => transactional(mistakes),
    without: () => transactional(),
  };
}

function waitingForCommits(): TransactionMistakes {
  let whenEnded: Promise<void> = Promise.resolve();
  return {
    begin: () => {
      const transaction = new TestTransaction();
      whenEnded = new Promise((resolve) => {
        transaction.add(async () => resolve());
      });
      return transaction;
    },
    members: (inner) => ({
      publish: async (...args) => {
        await whenEnded;
        return inner.publish(...args);
      },
    }),
  };
}

function lockingKeys(): TransactionMistakes {
  const owners = new Map<string, TestTransaction>();
  return {
    publish(transaction, batch, publish) {
      for (const { orderingKey = "" } of batch) {
        const owner = owners.get(orderingKey) ?? transaction;
        owners.set(orderingKey, owner);
        if (owner !== transaction) throw new Error("deadlock detected");
      }
      transaction.add(publish);
    },
  };
}
