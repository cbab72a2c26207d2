import type { Logger } from "@busbar/core";
import { systemClock } from "@busbar/core/provider";
import { pgStore } from "@busbar/sql";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { createWakeUps, type WakeUps, type WakeUpOptions } from "../src/wake/wake-ups.ts";

interface Process {
  readonly wakeUps: WakeUps;
  /** The queues that were woken, in order. */
  readonly woken: readonly number[];
  readonly messages: readonly string[];
  readonly statements: readonly string[];
}

/** Wake-ups as one process has them, with a consumer of each queue. */
function start(
  channel: string,
  queues: readonly number[],
  options: Partial<WakeUpOptions> = {},
): Process {
  const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"] });
  const store = pgStore<pg.PoolClient>({ pool });
  const messages: string[] = [];
  const say = (_: object, message: string): void => void messages.push(message);
  const logger: Logger = { debug() {}, info: say, warn: say, error: say };
  const statements: string[] = [];
  const woken: number[] = [];
  const wakeUps = createWakeUps({
    context: { clock: systemClock, logger },
    database: {
      execute(sql, parameters) {
        statements.push(sql);
        return store.execute(sql, parameters);
      },
    },
    listen: store.listen,
    channel,
    pollEveryMs: 1_000,
    ...options,
  });
  for (const queue of queues) wakeUps.on(queue, () => woken.push(queue));
  onTestFinished(async () => {
    await wakeUps.close();
    await pool.end();
  });
  return { wakeUps, woken, messages, statements };
}

/** A channel of the test's own, and processes that listen to it. */
async function startBoth(queues: readonly (readonly number[])[]): Promise<Process[]> {
  const channel = `busbar_${crypto.randomUUID()}`;
  const processes = queues.map((its) => start(channel, its));
  await vi.waitUntil(() => processes.every(({ wakeUps }) => wakeUps.isListening));
  for (const { woken } of processes) (woken as number[]).length = 0;
  return processes;
}

test("a commit wakes the consumers of its queues, here at once and elsewhere by a notification", async () => {
  const [one, other] = (await startBoth([
    [1, 2],
    [1, 2, 3],
  ])) as [Process, Process];
  one.wakeUps.committed([1, 3]);
  expect(one.woken).toEqual([1]);
  await vi.waitUntil(() => other.woken.length === 2);
  expect(other.woken).toEqual([1, 3]);
  other.wakeUps.committed([2]);
  await vi.waitUntil(() => one.woken.length === 2);
  expect(one.woken, "no notification of its own woke it again").toEqual([1, 2]);
});

test("a consumer that has ended is not woken", async () => {
  const [one] = (await startBoth([[1]])) as [Process];
  let count = 0;
  const end = one.wakeUps.on(7, () => (count += 1));
  one.wakeUps.committed([7]);
  end();
  one.wakeUps.committed([7]);
  expect(count).toBe(1);
});

test("many commits are announced together, and none is forgotten", async () => {
  const queues = Array.from({ length: 50 }, (_, index) => index);
  const [one, other] = (await startBoth([[0], queues])) as [Process, Process];
  const before = one.statements.length;
  for (const queue of queues) one.wakeUps.committed([queue]);
  await vi.waitUntil(() => new Set(other.woken).size === 50);
  expect(one.statements.length - before).toBeLessThanOrEqual(3);
});

test("a notification for very many queues wakes all of them", async () => {
  const [one, other] = (await startBoth([[3], [1, 2]])) as [Process, Process];
  one.wakeUps.committed(Array.from({ length: 5_000 }, (_, index) => index + 1_000_000));
  await vi.waitUntil(() => other.woken.length === 2);
});

test("an announcement within a transaction arrives at its commit, also in the process of the caller", async () => {
  const [one, other] = (await startBoth([[4], [4]])) as [Process, Process];
  const client = new pg.Client({ connectionString: process.env["DATABASE_URL"] });
  await client.connect();
  onTestFinished(() => client.end());
  const announce = `SELECT ${one.wakeUps.notification("$1")} AS announced`;
  const values = [one.wakeUps.announcement([4])];
  await client.query("BEGIN");
  await client.query(announce, values);
  await client.query("ROLLBACK");
  await client.query("BEGIN");
  await client.query(announce, values);
  expect([one.woken, other.woken]).toEqual([[], []]);
  await client.query("COMMIT");
  await vi.waitUntil(() => one.woken.length + other.woken.length === 2);
  expect([one.woken, other.woken]).toEqual([[4], [4]]);
});

test("without a way to listen, it says once that it polls, and looks for commits of this process", async () => {
  const { wakeUps, woken, messages } = start("unheard", [1, 2], { listen: undefined });
  expect(messages).toEqual([
    "The store has no option listen: deliveries of other processes are found by polling",
  ]);
  wakeUps.written([2]);
  await vi.waitUntil(() => woken.length > 2);
  expect(new Set(woken)).toEqual(new Set([2]));
});

test("a process without consumers does not listen, and announces nothing after its end", async () => {
  const { wakeUps, statements } = start("unheard", []);
  wakeUps.written([1]);
  expect(wakeUps.isListening).toBe(false);
  await wakeUps.close();
  wakeUps.committed([1]);
  expect(statements).toEqual([]);
});
