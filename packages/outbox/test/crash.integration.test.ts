import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEventBus } from "@busbar/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @boundaries-ignore a server of its own
import { type RedisServer, startRedisServer } from "../../redis/test/support/redis-server.ts";
import { once } from "../src/inbox.ts";
import { migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import { type CrashBroker, crashProvider } from "./support/crash-provider.ts";
import { postgresDatabase, sqliteDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const child = fileURLToPath(new URL("support/crash-child.ts", import.meta.url));
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
    ["outbox: claim group", ", with rows"],
    ["outbox: take out of group", ", with rows"],
    ["outbox: clear group", ", with rows"],
    ["inbox: mark in the inbox", ", with rows"],
    ["inbox: effect", undefined],
  ].flatMap(([name, after]) => [
    `before ${name}`,
    ...(after === undefined ? [] : [`after ${name}${after}`]),
  ]),
];

async function prepared(createDatabase: () => Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await createDatabase();
  await migrate(database.createStore());
  await database.query("CREATE TABLE effects (event_id text)");
  await database.query("CREATE TABLE orders (id text)");
  return database;
}

function runChild(
  options: object,
): Promise<{ lines: string[]; signal: string | null; error: string }> {
  return new Promise((resolve) => {
    const args = ["--import", "tsx", "--conditions=@busbar/source", child, JSON.stringify(options)];
    const process_ = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [output, error] = ["", ""];
    process_.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    process_.stderr.setEncoding("utf8").on("data", (text: string) => (error += text));
    process_.on("close", (_code, signal) => resolve({ lines: output.split("\n"), signal, error }));
  });
}

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

/** Another process takes over, and a person releases or clears what was left of groups. */
async function recover(
  database: TestDatabase,
  runsFile: string,
  broker: CrashBroker,
): Promise<void> {
  const { appendFileSync } = await import("node:fs");
  const store = database.createStore();
  const plugin = outbox({
    store: database.createStore(),
    relay: { leaseMs: 300, pollEveryMs: 50 },
  });
  const { name } = broker;
  const bus = createEventBus({ name, provider: crashProvider(broker), plugins: [plugin] });
  bus.subscribe(
    "**",
    once(
      async (event, { tx }) => {
        appendFileSync(runsFile, `${event.id}\n`);
        const sql = `INSERT INTO ${database.prefix}effects VALUES ($1)`;
        await store.within(tx).execute(sql, [event.id]);
      },
      { store },
    ),
    { subscriberId: "ledger" },
  );
  await bus.start();
  // As if the lease of a dead process had ended: it is 30 s.
  await database.query("UPDATE busbar_outbox SET claimed_until = 0 WHERE state = 'marked'");
  const { groups } = await bus.inspect();
  if (groups.some(({ eventGroupId }) => eventGroupId === "g")) await bus.releaseGroupedEvents("g");
  await bus.clearGroupedEvents("h");
  await until(async () => {
    const { pending, staged } = await plugin.inspect();
    return pending === 0 && staged === 0;
  }, "an empty outbox");
  await bus.settled();
  await bus.stop();
}

/** Counts in the database what has become of each event. */
async function judge(database: TestDatabase, lines: readonly string[]): Promise<string[]> {
  const ids = async (sql: string): Promise<string[]> =>
    (await database.query(sql)).map((row) => String(Object.values(row)[0]));
  const effects = await ids("SELECT event_id FROM effects");
  const orders = await ids("SELECT id FROM orders");
  const problems: string[] = [];
  const expectOnce = (id: string): void => {
    const count = effects.filter((each) => each === id).length;
    if (count !== 1) problems.push(`${id} has ${count} effects instead of 1`);
  };
  for (const order of orders) {
    expectOnce(order);
    expectOnce(`${order}-counted`);
  }
  for (const order of ["order-1", "order-2"]) {
    if (lines.includes(`committed ${order}`) && !orders.includes(order))
      problems.push(`${order} is gone`);
    if (!orders.includes(order) && effects.some((id) => id.startsWith(order))) {
      problems.push(`${order} has an effect and does not exist`);
    }
  }
  if (lines.includes("staged g")) for (const id of ["g-1", "g-2"]) expectOnce(id);
  if (effects.includes("h-1")) problems.push("h-1 was cleared and has an effect");
  if (new Set(effects).size !== effects.length) problems.push("an effect is there twice");
  return problems;
}
