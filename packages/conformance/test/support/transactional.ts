import { type MemoryProvider, MemoryGroupStaging } from "@busbar/core/memory";
import {
  type Envelope,
  type EventProvider,
  type GroupStaging,
  type PublishResult,
  systemClock,
} from "@busbar/core/provider";
import type { CallersTransaction, ProviderHarness } from "../../src/harness.ts";
import { HASTY, like, memoryProvider } from "./faulty.ts";

/** A transaction of the tests: the work that it does when it commits. */
export class TestTransaction implements CallersTransaction {
  readonly transaction = this;
  readonly #work: (() => Promise<unknown>)[] = [];
  #hasEnded = false;

  /** Adds work for the commit. */
  add(work: () => Promise<unknown>): void {
    if (this.#hasEnded) throw new TypeError("The transaction has ended");
    this.#work.push(work);
  }

  async commit(): Promise<void> {
    this.#hasEnded = true;
    for (const work of this.#work) await work();
  }

  async rollback(): Promise<void> {
    this.#hasEnded = true;
  }

  /** Forgets its work. */
  abort(): void {
    this.#work.length = 0;
  }
}

/** What a provider with a mistake does otherwise. */
export interface TransactionMistakes {
  /** Publishes envelopes that are not refused. `publish` publishes them for good. */
  readonly publish?: (
    transaction: TestTransaction,
    batch: readonly Envelope[],
    publish: () => Promise<unknown>,
  ) => void | Promise<void>;
  /** Called for a batch of which an envelope was refused. */
  readonly refused?: (transaction: TestTransaction) => void;
  readonly members?: (inner: MemoryProvider) => Partial<EventProvider>;
  readonly begin?: () => TestTransaction;
  /** Whether groups are staged at once. */
  readonly stagesAtOnce?: boolean;
}

/** The memory provider with transactions. */
export function transactional(mistakes: TransactionMistakes = {}): ProviderHarness {
  const { begin = () => new TestTransaction() } = mistakes;
  return {
    create(request) {
      const inner = memoryProvider(request);
      return like(inner, {
        groups: groupsOf(inner, mistakes),
        transactions: {
          publish: (transaction, batch) =>
            publishWithin(inner, transaction as TestTransaction, batch, mistakes),
        },
        ...mistakes.members?.(inner),
      });
    },
    beginTransaction: async () => begin(),
    timing: HASTY,
  };
}

const AT_ONCE = { deadline: Infinity, inHandler: true };

async function publishWithin(
  inner: MemoryProvider,
  transaction: TestTransaction,
  batch: readonly Envelope[],
  mistakes: TransactionMistakes,
): Promise<readonly PublishResult[]> {
  const known = (await inner.subscriptions.list()).map(({ subscriptionId }) => subscriptionId);
  const isRefused = ({ to }: Envelope): boolean => to?.some((id) => !known.includes(id)) ?? false;
  const accepted = batch.filter((envelope) => !isRefused(envelope));
  const { publish = (it, _batch, work) => it.add(work) } = mistakes;
  await publish(transaction, accepted, () => inner.publish(accepted, AT_ONCE));
  if (accepted.length < batch.length) mistakes.refused?.(transaction);
  return batch.map((envelope) =>
    isRefused(envelope)
      ? { status: "rejected", code: "unknown-subscription", reason: "it is unknown" }
      : { status: "accepted", subscriptions: known.length },
  );
}

function groupsOf(inner: MemoryProvider, { stagesAtOnce }: TransactionMistakes): GroupStaging {
  const groups = new MemoryGroupStaging({
    clock: systemClock,
    publish: (envelopes, options) => inner.publish(envelopes, options),
  });
  return {
    stage: async (eventGroupId, events, { transaction, ...options }) => {
      const stage = (): Promise<void> => groups.stage(eventGroupId, events, options);
      if (transaction instanceof TestTransaction && !stagesAtOnce) transaction.add(stage);
      else await stage();
    },
    mark: (id) => groups.mark(id),
    claim: (options) => groups.claim(options),
    complete: (...args) => groups.complete(...args),
    abandon: (claim) => groups.abandon(claim),
    clear: (id, options) => groups.clear(id, options),
    list: () => groups.list(),
  };
}
