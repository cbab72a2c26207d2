import {
  type Clock,
  type ConsumeSpec,
  createPollingConsumer,
  type Deliver,
  type OpenConsumer,
  type PolledDelivery,
  type Settlement,
  stateOfCorrupt,
} from "@busbar/core/provider";
import { toColumn } from "@busbar/sql/feature";
import { trimDeadLetters } from "../admin/dead-letters.ts";
import type { Session } from "../session.ts";
import { type Claim, type ClaimedLine, readClaim } from "./claim.ts";
import { createClaimStatement } from "./claim-statement.ts";
import { createFloors } from "./floors.ts";
import { createLease } from "./lease.ts";
import { type ClaimRequest, createPrefetch } from "./prefetch.ts";
import type { Again, RowInFlight } from "./row-in-flight.ts";
import { createRowsInFlight } from "./rows-in-flight.ts";

/** Milliseconds for which a closing consumer waits for a database that does not record what has ended. */
const LAST_FLUSH_MS = 1_000;

/** Begins to deliver what a subscription has in its queue. */
export async function consume(
  session: Session,
  spec: ConsumeSpec,
  deliver: Deliver,
): Promise<OpenConsumer> {
  const { context, database, options, registry, wakeUps, settlements, places } = session;
  const { clock, logger } = context;
  const { subscriptionId, concurrency } = spec;
  const { pollEveryMs, leaseMs } = options;
  const statement = createClaimStatement(database);
  const trustStatement = `UPDATE ${database.table("deliveries")} SET is_alone = false WHERE id = CAST($1 AS bigint)`;
  const column = toColumn(subscriptionId);
  let queue = await registry.queueOf(subscriptionId);
  const lease = createLease(context, database, leaseMs);
  const rows = createRowsInFlight(database, lease, clock);
  const floors = createFloors(clock, pollEveryMs / 2);
  let wake = (): void => {};
  let endWakeUps = (): void => {};

  async function claim(request: ClaimRequest): Promise<Claim> {
    const { events, takesSuspect, countsAlone, company = null } = request;
    await rows.putBackUnknown();
    const id = await lease.ensure();
    const flags = [takesSuspect, countsAlone].map((flag) => (flag ? "true" : "false"));
    const { ranges, isWhole } = floors.next();
    const from = clock.monotonic();
    try {
      const values = [queue, id, events, ...flags, company, ranges, column];
      const answer = await database.execute(statement, values, { isFrequent: true });
      if (isWhole) floors.looked(clock.monotonic() - from);
      for (const row of answer.slice(0, -1)) {
        floors.claimed(row["priority"] as number, row["position"] as number);
      }
      await follow(answer.at(-1)?.["present_queue"] as number | null);
      return readClaim(answer, (row, members) => rows.hold(id, row, members));
    } catch (error) {
      rows.lostClaim();
      throw error;
    }
  }

  /** Another process has renamed the subscription, or retired and declared it again. */
  async function follow(present: number | null): Promise<void> {
    if (present === queue) return;
    const found = await registry.queueOf(subscriptionId);
    if (found === queue) return;
    queue = found;
    endWakeUps();
    endWakeUps = wakeUps.on(queue, () => wake());
    floors.lookAtAll();
    wake();
  }

  /** A line that has begun, or was to begin, is in flight no more. */
  function letGo(line: ClaimedLine): void {
    places.inFlight -= 1;
    line.place?.free();
  }

  /** Lines go back as they were, those of a row together. */
  async function giveBack(lines: readonly ClaimedLine[]): Promise<void> {
    const its = new Map<RowInFlight, ClaimedLine[]>();
    for (const line of lines) {
      letGo(line);
      its.set(line.row, [...(its.get(line.row) ?? []), line]);
    }
    await Promise.all([...its].map(([row, some]) => waitAgain(row, some, {})));
  }

  function waitAgain(
    row: RowInFlight,
    lines: readonly ClaimedLine[],
    how: Omit<Again, "members">,
  ): Promise<void> {
    const [first] = lines;
    const { state, crashes = 0, suspicions = 0 } = first ?? {};
    const old = { state: state === undefined ? null : JSON.stringify(state), crashes, suspicions };
    // What is not delayed comes back in its old place.
    if (how.delayMs === undefined) floors.lookAtAll();
    row.waitAgain({ members: lines.map(({ member }) => member), ...old, ...how });
    return settlements.record(row);
  }

  const trust = (row: string): Promise<unknown> => database.execute(trustStatement, [row]);
  const prefetch = createPrefetch({
    context,
    places,
    concurrency,
    claim,
    trust,
    wake: () => wake(),
    giveBack,
  });

  function begin(line: ClaimedLine): PolledDelivery<ClaimedLine> | undefined {
    const { row, envelope, state, crashes, suspicions, place } = line;
    // Its lease has ended while the process stood still: others have it.
    if (row.lease !== lease.id) {
      letGo(line);
      return undefined;
    }
    if (suspicions > 0) {
      place?.begun(suspicions, () => {
        trust(row.id).catch((err: unknown) => {
          logger.debug({ err }, "A suspect could not be trusted: a crash counts for it");
        });
      });
    }
    if (envelope) return { token: line, delivery: { envelope, state, crashes } };
    letGo(line);
    void buryCorrupt(line);
    return undefined;
  }

  /** An event that cannot be read is dead, and nothing waits behind it. */
  async function buryCorrupt({ row, member }: ClaimedLine): Promise<void> {
    try {
      const state = stateOfCorrupt("The stored event cannot be read", await database.time());
      row.die({ member, reason: "corrupt", state: JSON.stringify(state) });
      await settlements.record(row);
    } catch (err) {
      logger.warn({ err }, "An event that cannot be read is still in its queue");
    }
  }

  async function settle(line: ClaimedLine, settlement: Settlement): Promise<void> {
    const { row, member } = line;
    prefetch.ended();
    letGo(line);
    if (settlement.type === "ack") {
      row.acknowledge(member);
      settlements.changed(row);
    } else if (settlement.type === "retry") {
      const { delayMs } = settlement;
      const state = JSON.stringify(settlement.state);
      await waitAgain(row, [line], { delayMs, state, crashes: 0, suspicions: 0 });
    } else if (settlement.type === "release") {
      // Without a delay it keeps its place.
      const { delayMs } = settlement;
      await waitAgain(row, [line], { ...(delayMs && { delayMs }) });
    } else {
      row.die({ member, reason: settlement.reason, state: JSON.stringify(settlement.state) });
      await settlements.record(row);
      await trimDeadLetters(context, database, queue, subscriptionId);
    }
  }

  const consumer = createPollingConsumer<ClaimedLine>({
    clock,
    logger,
    concurrency,
    deliver,
    fetch: async (limit) => (await prefetch.take(limit)).flatMap((line) => begin(line) ?? []),
    pollEveryMs,
    wake(callback) {
      wake = callback;
      const look = (): void => {
        prefetch.look();
        callback();
      };
      endWakeUps = wakeUps.on(queue, callback);
      const endLooks = places.on(look);
      return () => {
        endWakeUps();
        endLooks();
      };
    },
    settle,
    async crash(line) {
      letGo(line);
      await waitAgain(line.row, [line], { crashes: line.crashes + 1 });
    },
    release: giveBack,
  });

  // Without `wake`: a publish wakes the queues that it has filled, and no others.
  return {
    async close(how) {
      await consumer.close(how);
      await withLimit(clock, LAST_FLUSH_MS, async () => {
        await prefetch.close();
        await settlements.flush();
      });
      await lease.close().catch((err: unknown) => {
        logger.debug({ err }, "A lease could not be ended: it ends by itself");
      });
    },
    whenIdle: () => consumer.whenIdle(),
  };
}

/** Resolves when the work has ended, or when its time is over. */
async function withLimit(clock: Clock, ms: number, work: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = clock.setTimeout(resolve, ms);
    work()
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
