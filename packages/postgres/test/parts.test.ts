import type { Logger } from "@busbar/core";
import { type EventProvider, type StagedEvent, systemClock } from "@busbar/core/provider";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { postgresProvider } from "../src/postgres-provider.ts";
import { schemaNameOf } from "../src/schema/schema-name.ts";

const connectionString = process.env["DATABASE_URL"] ?? "";
const admin = new pg.Pool({ connectionString });

/** A provider with the parts that are tested here. */
type Parts = {
  readonly [Part in "board" | "groups" | "rates" | "schedules"]: NonNullable<EventProvider[Part]>;
};

/** A provider that has started, and what its logger got. */
interface Started {
  readonly provider: Parts;
  readonly errors: readonly string[];
}

/** The bus of a test, whose schema goes at the end. */
let namespace = "";

beforeAll(() => {
  namespace = `parts_${crypto.randomUUID().slice(0, 8)}`;
});
afterAll(async () => {
  await admin.query(`DROP SCHEMA ${schemaNameOf(namespace)} CASCADE`);
  await admin.end();
});

/** Runs SQL in the schema of the bus. */
async function sql(text: string, values: readonly unknown[] = []): Promise<readonly object[]> {
  const { rows } = await admin.query(text.replaceAll("its.", `${schemaNameOf(namespace)}.`), [
    ...values,
  ]);
  return rows as object[];
}

async function start(): Promise<Started> {
  const errors: string[] = [];
  const error = (_: object, message: string): void => void errors.push(message);
  const logger: Logger = { debug() {}, info() {}, warn() {}, error };
  const provider = postgresProvider({ connectionString }) as EventProvider & Parts;
  onTestFinished(() => provider.stop({ graceMs: 0 }));
  await provider.start({
    logger,
    clock: systemClock,
    namespace,
    instanceId: crypto.randomUUID(),
    deadLetters: { maxPerSubscription: 100, maxAgeMs: 86_400_000 },
    orphanedAfterMs: 86_400_000,
    report() {},
  });
  return { provider, errors };
}

function event(id: string): StagedEvent {
  const metadata = { created_at: 1, published_at: 1, correlationId: id };
  return { envelope: { id, name: "e", data: null, metadata } };
}

test("a staged event that cannot be read is set aside, and the others are released", async () => {
  const { provider, errors } = await start();
  const { groups } = provider;
  await groups.stage("damaged", [event("1"), event("2")], {});
  await sql("UPDATE its.staged_events SET envelope = '{' WHERE envelope LIKE '%\"id\":\"1\"%'");
  await groups.mark("damaged");
  const claim = await groups.claim({ eventGroupId: "damaged", leaseMs: 60_000 });
  expect(claim?.events).toEqual([event("2")]);
  expect(errors).toEqual([expect.stringMatching(/^Staged events cannot be read: their rows are/)]);
  await groups.complete(claim!, [], { deadline: Infinity, inHandler: false });
  expect(await groups.list()).toEqual([]);
  expect(await sql("SELECT envelope FROM its.staged_events WHERE state = 'unreadable'")).toEqual([
    { envelope: "{" },
  ]);
});

test("an event without a time to live gets that of its group, whose time begins again", async () => {
  const { groups } = (await start()).provider;
  const back = (ms: number): Promise<unknown> =>
    sql("UPDATE its.staged_events SET staged_at = staged_at - $1 WHERE group_id = 'lives'", [ms]);
  await groups.stage("lives", [event("1")], { ttlMs: 60_000 });
  await back(50_000);
  await groups.stage("lives", [event("2")], {});
  await back(50_000);
  const [alive] = await groups.list();
  expect(alive).toMatchObject({ eventGroupId: "lives", events: 2, marked: false });
  await back(11_000);
  expect(await groups.list()).toEqual([]);
  await groups.stage("lives", [event("3")], {});
  await back(120_000);
  await groups.mark("lives");
  const claim = await groups.claim({ eventGroupId: "lives", leaseMs: 60_000 });
  expect(claim?.events, "the first two have expired, and the third does not").toEqual([event("3")]);
});

test("a schedule whose record cannot be read is logged once, and is set again as a new one", async () => {
  const { provider, errors } = await start();
  const { schedules } = provider;
  await schedules.write({ id: "damaged", record: { n: 1 }, dueAt: 1 }, undefined);
  await sql("UPDATE its.schedules SET record = '[1]' WHERE id = 'damaged'");
  expect(await schedules.list()).toEqual([]);
  expect((await schedules.due(10)).schedules).toEqual([]);
  expect(errors).toEqual([expect.stringMatching(/^The record of schedule "damaged" cannot be/)]);
  const record = { n: 2 };
  expect(await schedules.write({ id: "damaged", record }, undefined)).toBe(true);
  expect(await schedules.list()).toMatchObject([{ id: "damaged", record }]);
});

test("starts that a clock had reserved before it was set back count from now on", async () => {
  const { rates } = (await start()).provider;
  const limit = { max: 2, perMs: 1_000, horizonMs: 60_000 };
  await rates.reserve("set back", { ...limit, count: 2 });
  await sql(`UPDATE its.rates SET starts = ARRAY(SELECT at + 3600000 FROM unnest(starts) AS at)
    WHERE subscription = 'set back'`);
  const { waitsMs } = await rates.reserve("set back", { ...limit, count: 3 });
  expect(waitsMs.map((ms) => Math.round(ms / 1_000))).toEqual([1, 1, 2]);
});

test("a reader of the feed misses no entry, however many processes add to it at the same time", async () => {
  const boards = (await Promise.all(Array.from({ length: 3 }, start))).map(
    (it) => it.provider.board,
  );
  const [reader] = boards as [(typeof boards)[0], ...typeof boards];
  let { cursor } = await reader.read(undefined, { limit: 1 });
  let isOver = false;
  const showing = Promise.all(
    boards.map(async (board, by) => {
      for (let n = 0; n < 60; n += 1) await board.show([{ by, n }], { keep: 1_000 });
    }),
  ).then(() => (isOver = true));
  const seen: object[] = [];
  for (let last = false; !last;) {
    last = isOver;
    const read = await reader.read(cursor, { limit: 500 });
    seen.push(...read.entries);
    ({ cursor } = read);
  }
  await showing;
  for (const by of boards.keys()) {
    const its = seen.filter((entry) => (entry as { by: number }).by === by);
    expect(its).toEqual(Array.from({ length: 60 }, (_, n) => ({ by, n })));
  }
});
