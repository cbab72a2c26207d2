import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childProgram } from "../support/child-program.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  addDeliveries,
  addSubscription,
  attemptsOf,
  countOf,
  OK,
  startDispatcher,
} from "../support/deliveries.ts";
import { until } from "../support/until.ts";

const child = new URL("../support/crash-child.ts", import.meta.url);
let runChild: Awaited<ReturnType<typeof childProgram>>;
const folder = mkdtempSync(join(tmpdir(), "busbar-webhooks-crash-"));
const DELIVERIES = 3;

beforeAll(async () => {
  runChild = await childProgram(child);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every boundary between two statements, from the claim to the record. */
const POINTS = [
  "before look",
  "before lock",
  "before count",
  "before pick",
  "before claim",
  "before read",
  "before the commit of the claim",
  "after the commit of the claim",
  "before the attempt",
  "after the attempt",
  "before read endpoints",
  "before move on",
  "before log",
  "before the commit of the record",
  "after the commit of the record",
];

/** What was lost, came under another id, or is not in the log. */
async function problemsOf(
  database: TestDatabase,
  ids: readonly string[],
  arrivals: readonly string[],
): Promise<readonly string[]> {
  const problems: string[] = [];
  const arrived = new Set(arrivals.map((line) => line.split(" ")[0]));
  const logged = new Set(
    (await attemptsOf(database)).map(
      (row) => `${String(row["delivery_id"])} ${Number(row["number"])}`,
    ),
  );
  for (const id of ids) if (!arrived.has(id)) problems.push(`${id} was lost`);
  for (const id of arrived) if (!ids.includes(id ?? "")) problems.push(`${id} has another id`);
  for (const line of arrivals) if (!logged.has(line)) problems.push(`${line} is not in the log`);
  const delivered = await countOf(database, "delivered");
  if (delivered !== ids.length) problems.push(`${delivered} are delivered`);
  return problems;
}

describe.each(databases)("a process that is killed, on %s", (name, createDatabase) => {
  test("loses nothing, repeats under the same id only, and each attempt is in the log", async () => {
    const problems: string[] = [];
    let repeated = 0;
    const killAt = async (dieAt: string | undefined): Promise<string> => {
      const database = await createDatabase();
      try {
        await addSubscription(database, "a");
        const ids = await addDeliveries(database, { to: ["a"], count: DELIVERIES });
        const arrivalsFile = join(folder, crypto.randomUUID());
        const { connection } = database;
        const ran = await runChild({ connection, arrivalsFile, deliveries: DELIVERIES, dieAt });
        if (dieAt !== undefined && ran.signal !== "SIGKILL") {
          problems.push(`${dieAt}: the process lived: ${ran.error}`);
        }
        // As if the lease of the dead process had ended.
        await database.query(
          "UPDATE busbar_webhook_deliveries SET leased_until = 1 WHERE state = 'running'",
        );
        const again: string[] = [];
        const { dispatcher } = startDispatcher(database, ({ delivery }) => {
          again.push(`${delivery.id} ${delivery.attempt}`);
          return OK;
        });
        await until(async () => (await countOf(database, "delivered")) === ids.length, "all");
        await dispatcher.stop(1_000);
        const first = existsSync(arrivalsFile)
          ? readFileSync(arrivalsFile, "utf8").trimEnd().split("\n")
          : [];
        const arrivals = [...first, ...again];
        repeated += arrivals.length - ids.length;
        const found = await problemsOf(database, ids, arrivals);
        problems.push(...found.map((problem) => `${dieAt}: ${problem}`));
        return ran.output;
      } finally {
        await database.close();
      }
    };
    const output = await killAt(undefined);
    const points = JSON.parse(output.slice("points ".length)) as string[];
    expect(points).toEqual(expect.arrayContaining(POINTS));
    const waiting = [...POINTS];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await killAt(next);
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(problems).toEqual([]);
    console.log(`${name}: killed at ${POINTS.length} points, lost 0, repeated ${repeated}`);
  }, 120_000);
});
