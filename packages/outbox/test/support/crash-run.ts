import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createEventBus } from "@busbar/core";
// @boundaries-ignore what starts the processes of all tests
import { bundlePrograms } from "../../../../.ci/child-programs.mjs";
import { once } from "../../src/inbox.ts";
import { migrate } from "../../src/migrate.ts";
import { outbox } from "../../src/outbox.ts";
import { type CrashBroker, crashProvider } from "./crash-provider.ts";
import { STANDS_STILL } from "./stands-still.ts";
import type { TestDatabase } from "./stores.ts";
import { until } from "./until.ts";

const child = new URL("crash-child.ts", import.meta.url);

/** How the child ended. */
export interface ChildRun {
  readonly lines: readonly string[];
  readonly signal: string | null;
  readonly error: string;
  /** Ends one that stands still. */
  readonly end: () => void;
}

/** A database with the tables of outbox, inbox and shop. */
export async function prepared(createDatabase: () => Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await createDatabase();
  await migrate(database.createStore());
  await database.query("CREATE TABLE effects (event_id text)");
  await database.query("CREATE TABLE orders (id text)");
  return database;
}

/** Runs the shop of `crash-child.ts`. Resolves when it ends, or stands still. */
export async function runChild(options: object): Promise<ChildRun> {
  const [program] = await bundlePrograms(child);
  return new Promise((resolve) => {
    const args = [fileURLToPath(program), JSON.stringify(options)];
    const process_ = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [output, error] = ["", ""];
    process_.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    process_.stderr.setEncoding("utf8").on("data", (text: string) => (error += text));
    const run = (signal: string | null): ChildRun => ({
      lines: output.split("\n"),
      signal,
      error,
      end: () => void process_.kill("SIGKILL"),
    });
    process_.stdout.on("data", () => {
      if (output.includes(STANDS_STILL)) resolve(run("SIGSTOP"));
    });
    process_.on("close", (_code, signal) => resolve(run(signal)));
  });
}

/** Another process takes over, and a person releases or clears what was left of groups. */
export async function recover(
  database: TestDatabase,
  runsFile: string,
  broker: CrashBroker,
): Promise<void> {
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
export async function judge(database: TestDatabase, lines: readonly string[]): Promise<string[]> {
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
