import type { Envelope, PublishResult } from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import type { Session } from "../session.ts";

/** Ends a transaction in which an envelope was rejected. Its results are the answer. */
class Rejected extends Error {
  readonly results: readonly PublishResult[];

  constructor(results: readonly PublishResult[]) {
    super("An envelope was rejected");
    this.results = results;
  }
}

/** Ends a transaction that `within` has called off. */
class CalledOff extends Error {}

/**
 * Publishes envelopes in one transaction with other writes. If an envelope is rejected, nothing is published and nothing
 * is written.
 *
 * @param within Writes, and resolves with whether to go on. If it resolves with false, nothing happens, and the result is
 *   undefined.
 */
export async function publishWhole(
  { database, publisher, wakeUps }: Session,
  envelopes: readonly Envelope[],
  within: (executor: SqlExecutor) => Promise<boolean>,
): Promise<readonly PublishResult[] | undefined> {
  try {
    const { results, queues } = await database.transaction(async (executor) => {
      if (!(await within(executor))) throw new CalledOff();
      const published = await publisher.publishWithin(executor, envelopes);
      if (published.results.some(isRejected)) throw new Rejected(published.results);
      return published;
    });
    wakeUps.committed(queues);
    return results;
  } catch (error) {
    if (error instanceof CalledOff) return undefined;
    if (error instanceof Rejected) return error.results.map(rejected);
    throw error;
  }
}

function isRejected({ status }: PublishResult): boolean {
  return status === "rejected";
}

/** What an envelope that is good ends as when another one of its batch is not. */
function rejected(result: PublishResult): PublishResult {
  if (result.status === "rejected") return result;
  const reason = "Another event of the same step was rejected";
  return { status: "rejected", code: "refused", reason };
}
