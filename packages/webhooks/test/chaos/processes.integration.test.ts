// What can happen to processes and to their database.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type SqlStore, sqliteStore } from "@busbar/sql";
import Database from "libsql";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundlePrograms } from "../../../../.ci/child-programs.mjs";
// @boundaries-ignore a server of its own, to stop and start
import { startServer, type TestServer } from "../../../../.ci/servers/start-server.mjs";
import type { WebhookDelivery } from "../../src/contract/delivery.ts";
import type { NewSubscription } from "../../src/contract/subscription.ts";
import { type Receiver, startReceiver } from "../../src/testing/receiver.ts";
import { createVerifier } from "../../src/verify/verifier.ts";
import type { WebhooksOptions } from "../../src/webhooks.ts";
import { databases, postgresDatabase, type TestDatabase } from "../support/databases.ts";
import { until } from "../support/until.ts";
import { all, type ChaosApp, emitMany, problemsOf, startApp } from "./support/chaos.ts";
import type { ChaosChildOptions } from "./support/chaos-child.ts";

const child = new URL("support/chaos-child.ts", import.meta.url);
const LONG = "x".repeat(70_000);

let database: TestDatabase;
let receiver: Receiver;
let apps: ChaosApp[];
const cleanUp: (() => unknown)[] = [];

beforeEach(async () => {
  receiver = await startReceiver();
  apps = [];
});

afterEach(async () => {
  await Promise.all(apps.map(({ bus }) => bus.stop({ graceMs: 100 })));
  await receiver.close();
  await database.close();
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function start(
  options: Partial<WebhooksOptions> = {},
  store: SqlStore = database.createStore(),
): Promise<ChaosApp> {
  const app = await startApp(store, options);
  apps.push(app);
  return app;
}

/** Makes a subscription that never retries: what fails once is dead. */
const subscribe = async (
  { hooks }: ChaosApp,
  others: Partial<NewSubscription> = {},
): Promise<{ readonly id: string; readonly secret: string }> =>
  (await hooks.subscriptions.create({
    events: ["order.*"],
    destination: receiver.url,
    retry: { type: "none" },
    ...others,
  })) as never;

/** Waits until everything is delivered, and compares it with what has arrived. */
async function assertDelivered(
  { hooks }: ChaosApp,
  emitted: readonly string[],
  subscription: string,
): Promise<void> {
  const rows = (query: string): Promise<readonly WebhookDelivery[]> =>
    all((page) => hooks.log.deliveries({ query }, page));
  const ended = async (): Promise<boolean> =>
    (await rows("status: (delivered OR dead)")).length === emitted.length;
  await until(ended, "the end of all deliveries", 40_000);
  expect(
    await all((page) =>
      hooks.log.attempts({ query: "success: false AND NOT error_class: interrupted" }, page),
    ),
  ).toEqual([]);
  const arrivals = receiver.requests;
  const truth = { emitted: { [subscription]: emitted }, arrivals };
  expect(await problemsOf(hooks, truth)).toEqual([]);
  // Nobody has died, so that nothing has come twice.
  expect(arrivals).toHaveLength(emitted.length);
}

/** Starts the application of `chaos-child.ts`. */
async function startChild(options: ChaosChildOptions): Promise<ChildProcess> {
  const [program] = await bundlePrograms(child);
  const args = [fileURLToPath(program), JSON.stringify(options)];
  const started = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  cleanUp.push(async () => {
    if (started.exitCode !== null || started.signalCode !== null) return;
    started.kill("SIGKILL");
    await once(started, "exit");
  });
  await once(started.stdout!, "data");
  return started;
}

describe.each(databases)("deliveries on %s", (_, createDatabase) => {
  beforeEach(async () => {
    database = await createDatabase();
  });

  test("of a process whose clock is an hour off, and that stands still past its lease, go to another", async () => {
    const app = await start({ dispatch: false });
    const { id, secret } = await subscribe(app);
    const beganAt = Date.now();
    // Those of the other process: answered while it stands still.
    receiver.answer({ delayMs: 1_500 }, { delayMs: 1_500 });
    const { connection } = database;
    const other = await startChild({ connection, aheadMs: 3_600_000, leaseMs: 1_000 });
    const emitted = await emitMany(app, 2);
    await receiver.received(2, 10_000);
    const standsStill = once(other.stdout!, "data");
    other.stdin!.write("stand still\n");
    await standsStill;
    const { hooks, bus } = await start();
    await receiver.received(4, 10_000);
    await until(async () => (await hooks.inspect()).running === 0, "the end of the deliveries");
    expect(await hooks.log.count({ query: "attempt: 1 AND error_class: interrupted" })).toBe(2);
    other.kill("SIGCONT");
    // It learns that its attempts have succeeded, after all.
    const query = "attempt: 1 AND success: true";
    await until(async () => (await hooks.log.count({ query })) === 2, "late results");

    const arrivals = receiver.requests;
    expect(await problemsOf(hooks, { emitted: { [id]: emitted }, arrivals })).toEqual([]);
    expect(await hooks.log.count({ query: "status: delivered" })).toBe(4);
    const times = new Map<unknown, number>();
    for (const request of arrivals) {
      // Not even the attempts of the process whose clock is wrong are signed too late or too early.
      await createVerifier({ secrets: secret, toleranceMs: 60_000 }).verify(
        request.headers as never,
        request.body,
      );
      const webhookId = request.headers["webhook-id"];
      times.set(webhookId, (times.get(webhookId) ?? 0) + 1);
    }
    expect([...times.values()]).toEqual([2, 2]);
    for (const { startedAt } of (await hooks.log.attempts()).items) {
      expect(startedAt.getTime()).toBeGreaterThan(beganAt - 1_000);
      expect(startedAt.getTime()).toBeLessThan(Date.now() + 1_000);
    }
    // It goes on as if nothing had been.
    await bus.stop();
    const later = await emitMany(app, 1);
    await receiver.received(5, 10_000);
    expect(receiver.requests[4]?.headers["busbar-event-id"]).toBe(later[0]);
  });
});

describe("a disk that is full", () => {
  test("holds up what is written to PostgreSQL, and loses nothing", async () => {
    database = await postgresDatabase();
    const { prefix, query } = database;
    await query(`CREATE FUNCTION ${prefix}refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$`);
    const tables = ["events", "deliveries", "attempts"].map(
      (name) => `${prefix}busbar_webhook_${name}`,
    );
    await holdUp({
      store: database.createStore(),
      fill: async () => {
        for (const table of tables) {
          await query(`CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON ${table}
            FOR EACH STATEMENT EXECUTE FUNCTION ${prefix}refuse()`);
        }
      },
      free: async () => {
        for (const table of tables) await query(`DROP TRIGGER disk_full ON ${table}`);
      },
    });
  });

  test("holds up what is written to SQLite, and loses nothing", async () => {
    database = await databases[1]![1]();
    const file = new Database(database.connection.file!, { timeout: 20 });
    cleanUp.push(() => file.close());
    await holdUp({
      store: sqliteStore({ database: file }) as SqlStore,
      fill: async () => {
        const [pages] = file.pragma("page_count") as { page_count: number }[];
        file.pragma(`max_page_count = ${pages!.page_count}`);
      },
      free: async () => void file.pragma("max_page_count = 1000000"),
    });
  });

  async function holdUp(disk: {
    readonly store: SqlStore;
    readonly fill: () => Promise<void>;
    readonly free: () => Promise<void>;
  }): Promise<void> {
    const app = await start({}, disk.store);
    const { id } = await subscribe(app);
    // Too long for what is left of a page.
    const slow = { delayMs: 300, body: "x".repeat(16_000) };
    receiver.answer(slow, slow);
    const before = await emitMany(app, 20, "order.paid", { text: LONG });
    await receiver.received(1);
    await disk.fill();
    const meanwhile = await emitMany(app, 20, "order.paid", { text: LONG });
    const says = (what: string): Promise<unknown> =>
      until(() => app.logged.some((line) => line.includes(what)), what);
    await says("could not be recorded yet");
    await says("cannot be written");
    await disk.free();
    await assertDelivered(app, [...before, ...meanwhile], id);
  }
});

describe("a database that is away", () => {
  test("SQLite: locked by another process for longer than anybody waits", async () => {
    database = await databases[1]![1]();
    const file = new Database(database.connection.file!, { timeout: 20 });
    const other = new Database(database.connection.file!, { timeout: 20 });
    cleanUp.push(
      () => file.close(),
      () => other.close(),
    );
    const store = sqliteStore({ database: file, busyTimeoutMs: 100 }) as SqlStore;
    const app = await start({}, store);
    const { id } = await subscribe(app);
    const before = await emitMany(app, 20, "order.paid", { text: LONG });
    await receiver.received(1);
    other.exec("BEGIN IMMEDIATE");
    const meanwhile = await emitMany(app, 20, "order.paid", { text: LONG });
    await until(() => app.logged.some((line) => line.includes("cannot be written")), "a warning");
    await until(() => app.logged.some((line) => line.includes("again in")), "another one");
    other.exec("ROLLBACK");
    await assertDelivered(app, [...before, ...meanwhile], id);
  });

  describe("PostgreSQL", () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer("postgres");
    }, 60_000);
    afterAll(() => server.stop());

    test("restarted under load, and killed", async () => {
      database = await postgresDatabase({ url: server.url });
      const app = await start();
      const { id } = await subscribe(app);
      const emitted: string[] = [];
      let isOver = false;
      const load = (async () => {
        while (!isOver) {
          emitted.push(...(await emitMany(app, 2, "order.paid", { text: LONG })));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      for (const outage of [() => server.restart(), () => server.kill().then(server.start)]) {
        const sofar = receiver.requests.length;
        await receiver.received(sofar + 20, 15_000);
        await outage();
      }
      await receiver.received(receiver.requests.length + 20, 15_000);
      isOver = true;
      await load;
      await assertDelivered(app, emitted, id);
    }, 90_000);
  });
});
