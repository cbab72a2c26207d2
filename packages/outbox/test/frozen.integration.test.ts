import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judge, prepared, recover, runChild } from "./support/crash-run.ts";
import { postgresDatabase } from "./support/stores.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-frozen-"));
const broker = { name: "shop" };
/** With BUSBAR_CONFORMANCE=stress at every point, otherwise where it has something, or may have. */
const isStress = process.env["BUSBAR_CONFORMANCE"] === "stress";
const MATTERS =
  /^(after outbox: (claim|claim group|take out of group|lock)(, with rows)?|before outbox: commit.*)$/;
let points: readonly string[];

const start = async (dieAt?: string) => {
  const database = await prepared(postgresDatabase);
  const runsFile = join(folder, crypto.randomUUID());
  const { connection } = database;
  const run = await runChild({ connection, runsFile, broker, dieAt, freezes: true });
  return { database, runsFile, run };
};

beforeAll(async () => {
  const { database, run } = await start();
  const found = run.lines.find((line) => line.startsWith("points "));
  points = JSON.parse(found?.slice(7) ?? "[]") as string[];
  await database.close();
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a process that stands still, wherever, keeps no other from relaying what it had", async () => {
  // An application's own transactions are its own; the inbox has tests of its own.
  const waiting = points.filter((point) =>
    isStress ? point.includes("outbox:") : MATTERS.test(point),
  );
  expect(waiting).toContain("after outbox: claim, with rows");
  expect(waiting).toContain("after outbox: claim group");
  const problems: string[] = [];
  const freezeAt = async (point: string): Promise<void> => {
    const { database, runsFile, run } = await start(point);
    // It may be killed by hand, but not before others have done its work.
    if (run.signal === "SIGSTOP") {
      await recover(database, runsFile, broker);
      // Repeats are to be expected: what it had handled it could not say.
      const lost = (await judge(database, run.lines)).filter((each) => / 0 | gone$/.test(each));
      problems.push(...lost.map((each) => `${point}: ${each}`));
      run.end();
    }
    await database.close();
  };
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await freezeAt(next);
  };
  await Promise.all([worker(), worker(), worker()]);
  expect(problems).toEqual([]);
}, 120_000);
