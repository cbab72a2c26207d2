import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @boundaries-ignore a server of its own
import { type RedisServer, startRedisServer } from "../../redis/test/support/redis-server.ts";
import type { CrashBroker } from "./support/crash-provider.ts";
import { judge, prepared, recover, runChild } from "./support/crash-run.ts";
import { postgresDatabase, sqliteDatabase } from "./support/stores.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-crash-"));

/** With BUSBAR_CONFORMANCE=stress every point over Redis, too. */
const isStress = process.env["BUSBAR_CONFORMANCE"] === "stress";
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedisServer();
});

afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Every boundary that both databases have. PostgreSQL adds its locks. */
const MUST_HAVE = [
  "before shop: order",
  "before shop: commit",
  "after shop: commit",
  "before publish",
  "after publish",
  ...[
    ["outbox: claim", ", with rows"],
    ["outbox: delete", ""],
    ["outbox: stage", undefined],
    ["outbox: stage in group", undefined],
    ["outbox: mark group", undefined],
    ["outbox: claim group", ""],
    ["outbox: take out of group", ", with rows"],
    ["outbox: clear group", ", with rows"],
    ["inbox: mark in the inbox", ", with rows"],
    ["inbox: effect", undefined],
  ].flatMap(([name, after]) => [
    `before ${name}`,
    ...(after === undefined ? [] : [`after ${name}${after}`]),
  ]),
];

describe.each([
  ["PostgreSQL, with a provider in memory", () => postgresDatabase(), "memory"],
  ["SQLite, with a provider in memory", sqliteDatabase, "memory"],
  ["PostgreSQL, with a durable provider", () => postgresDatabase(), "files"],
  ["PostgreSQL, over Redis", () => postgresDatabase(), "redis"],
  ["SQLite, over Redis", sqliteDatabase, "redis"],
] as const)("a process that is killed, on %s", (name, createDatabase, kind) => {
  const newBroker = (): CrashBroker => ({
    name: `shop-${crypto.randomUUID().slice(0, 8)}`,
    folder: kind === "files" ? mkdtempSync(join(folder, "broker-")) : undefined,
    redisUrl: kind === "redis" ? redis.url : undefined,
  });
  let points: string[] = [];
  const totals = { points: 0, repeatedRuns: 0 };

  beforeAll(async () => {
    const database = await prepared(createDatabase);
    const runsFile = join(folder, crypto.randomUUID());
    const { lines, error } = await runChild({
      connection: database.connection,
      runsFile,
      broker: newBroker(),
    });
    const found = lines.find((line) => line.startsWith("points "));
    if (!found) throw new Error(`The child named no points: ${error}`);
    points = JSON.parse(found.slice(7)) as string[];
    await database.close();
  }, 60_000);

  afterAll(() => {
    console.log(
      `${name}: killed at ${totals.points} points, repeated runs: ${totals.repeatedRuns}`,
    );
  });

  test("has the points that matter", () => {
    expect(points).toEqual(expect.arrayContaining(MUST_HAVE));
  });

  test("loses nothing, repeats only under the same id, and has each effect once", async () => {
    const problems: string[] = [];
    const killAt = async (dieAt: string): Promise<void> => {
      const database = await prepared(createDatabase);
      const runsFile = join(folder, crypto.randomUUID());
      const broker = newBroker();
      const { lines, signal, error } = await runChild({
        connection: database.connection,
        runsFile,
        broker,
        dieAt,
      });
      // A relay that finds nothing to claim depends on timing: another time it may find something.
      const wasKilled = signal === "SIGKILL";
      if (!wasKilled && MUST_HAVE.includes(dieAt)) {
        problems.push(`${dieAt}: the child lived (${error})`);
      }
      await recover(database, runsFile, broker);
      problems.push(...(await judge(database, lines)).map((problem) => `${dieAt}: ${problem}`));
      if (wasKilled) totals.points += 1;
      const runs = existsSync(runsFile) ? readFileSync(runsFile, "utf8").trimEnd().split("\n") : [];
      totals.repeatedRuns += runs.length - new Set(runs).size;
      await database.close();
    };
    // What Redis changes is at its edge; the other points are the same as above.
    const isEdge = (point: string): boolean => /publish|delete|commit of claim/.test(point);
    const waiting = points.filter((point) => kind !== "redis" || isStress || isEdge(point));
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await killAt(next);
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(problems).toEqual([]);
  }, 300_000);
});
