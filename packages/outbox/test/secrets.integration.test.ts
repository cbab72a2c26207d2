// Whatever breaks, no payload and no connection string is logged or thrown.
import { type SecretWatch, watchSecrets } from "@busbar/conformance";
import { createEventBus, type EventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { once } from "../src/inbox.ts";
import { outbox, type Outbox } from "../src/outbox.ts";
import { type OutboxStore, pgStore } from "../src/outbox-store.ts";
import { databases, databaseUrl, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";
import { wrapped } from "./support/wrapped.ts";

const PASSWORD = "hunter2-of-postgres";
const CARD = "card-4711-0815";
const MESSAGE = { name: "a", data: { card: CARD }, metadata: { tenant: "tenant-secret-99" } };

let secrets: SecretWatch;
let warnings: string[];
let bus: EventBus | undefined;

beforeEach(() => {
  secrets = watchSecrets([PASSWORD, CARD, "tenant-secret-99"]);
  warnings = [];
});
afterEach(() => bus?.stop({ graceMs: 500 }));

/** Waits for something to fail, and looks through that. */
async function fails(where: string, promise: Promise<unknown>): Promise<void> {
  const error: unknown = await promise.then(
    () => expect.fail(`${where} should have failed`),
    (reason: unknown) => reason,
  );
  secrets.look(where, error);
}

function createBus<Tx>(
  store: OutboxStore<Tx>,
  change: (inner: EventProvider) => Partial<EventProvider> = () => ({}),
): { bus: EventBus; plugin: Outbox } {
  const inner = localProvider();
  const plugin = outbox({ store, relay: { pollEveryMs: 20 } });
  const { logger } = secrets;
  const heard = (fields: object, message: string): void => {
    warnings.push(message);
    logger.warn(fields, message);
  };
  bus = createEventBus({
    provider: { ...wrapped(inner), ...change(inner) },
    plugins: [plugin],
    logger: { ...logger, warn: heard, error: heard },
    emitTimeoutMs: 300,
  });
  return { bus, plugin };
}

describe.each(databases)("no secret is logged or thrown, on %s,", (_, createDatabase) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await bus?.stop({ graceMs: 500 });
    await database.close();
  });

  const emit = (to: EventBus): Promise<unknown> =>
    database.transaction((tx) => to.withTransaction(tx).emit(MESSAGE));

  test("when an event cannot be read, or the provider refuses it", async () => {
    const { bus: its, plugin } = createBus(database.createStore(), () => ({
      publish: async (batch) =>
        batch.map((envelope) => ({
          status: "rejected",
          code: "refused",
          reason: "too big",
          cause: Object.assign(new Error("no"), { envelope }),
        })),
    }));
    await its.start();
    await plugin.pause();
    await emit(its);
    await emit(its);
    await database.query(
      `UPDATE ${database.prefix}busbar_outbox SET envelope = '${CARD}' WHERE id = 1`,
    );
    plugin.resume();
    const failed = await until(async () => {
      const list = await plugin.failed.list();
      return list.length === 2 && list;
    }, "both to be set aside");
    secrets.look(
      "what was set aside",
      failed.map(({ error }) => error),
    );
    secrets.assertNone();
  });

  test("when the relay, groups and looks at the outbox fail", async () => {
    const { bus: its, plugin } = createBus(database.createStore());
    await its.start();
    await emit(its);
    await its.emit({ ...MESSAGE, metadata: { ...MESSAGE.metadata, eventGroupId: "g" } });
    await database.query(`DROP TABLE ${database.prefix}busbar_outbox`);
    await until(() => warnings.length > 0, "a warning of the relay");
    await fails("the release of a group", its.releaseGroupedEvents("g"));
    await fails("emit", emit(its));
    await fails("inspect", plugin.inspect());
    await fails("failed", plugin.failed.list());
    secrets.assertNone();
  });

  test("when the handler of an inbox fails", async () => {
    const store = database.createStore();
    const { bus: its } = createBus(store);
    const note = once(
      () => {
        throw Object.assign(new Error("fails"), { query: "INSERT", parameters: [CARD] });
      },
      { store },
    );
    its.subscribe("a", note, { subscriberId: "notes", attempts: 2 });
    await its.start();
    await its.emit(MESSAGE);
    await its.settled();
    expect((await its.deadLetters.list()).items).toHaveLength(1);
    await its.stop();
    secrets.assertNone();
  });
});

describe("no secret is logged or thrown, on PostgreSQL,", () => {
  test("when the database cannot be reached, or is named wrongly", async () => {
    for (const url of [
      `postgres://busbar:${PASSWORD}@127.0.0.1:1/shop`,
      Object.assign(new URL(databaseUrl()), { pathname: "/nowhere", password: PASSWORD }).href,
    ]) {
      const pool = new pg.Pool({ connectionString: url });
      const { bus: its } = createBus(pgStore<pg.PoolClient>({ pool }));
      await fails("start", its.start());
      await pool.end();
    }
    secrets.assertNone();
  });

  test("when its connections end in the middle of everything", async () => {
    const url = Object.assign(new URL(databaseUrl()), { password: PASSWORD });
    url.searchParams.set("application_name", "secrets");
    const pool = new pg.Pool({ connectionString: url.href });
    pool.on("error", () => {});
    await pool.query("CREATE SCHEMA IF NOT EXISTS secrets");
    const { bus: its } = createBus(pgStore<pg.PoolClient>({ pool, schema: "secrets" }));
    await its.start();
    const client = await pool.connect();
    client.on("error", () => {});
    await client.query("BEGIN");
    const other = new pg.Client({ connectionString: databaseUrl() });
    await other.connect();
    await other.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'secrets'",
    );
    await fails("emit", its.withTransaction(client).emit(MESSAGE));
    client.release(true);
    await until(() => warnings.length > 0, "a warning");
    await its.stop();
    await other.query("DROP SCHEMA secrets CASCADE");
    await other.end();
    await pool.end();
    secrets.assertNone();
  });
});
