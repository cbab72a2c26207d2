// A process that delivers, and that kills itself at one point of it.
import { appendFileSync, writeSync } from "node:fs";
import type { SqlExecutor, SqlStore } from "@busbar/sql";
import { OK, startDispatcher } from "./deliveries.ts";
import type { TestDatabase } from "./databases.ts";
import { openStore } from "./open-store.ts";
import { until } from "./until.ts";

/** What the parent says. */
interface CrashOptions {
  readonly connection: TestDatabase["connection"];
  /** Each arrival at the destination adds the delivery's id and the number of the attempt. */
  readonly arrivalsFile: string;
  readonly deliveries: number;
  /** At which point to die, or undefined to name them all. */
  readonly dieAt: string | undefined;
}

const { connection, arrivalsFile, deliveries, dieAt } = JSON.parse(
  process.argv[2] ?? "",
) as CrashOptions;
const points = new Set<string>();

function point(name: string): void {
  points.add(name);
  if (name === dieAt) process.kill(process.pid, "SIGKILL");
}

function kindOf(sql: string): string | undefined {
  if (/WITH RECURSIVE/.test(sql)) return "look";
  if (/count\(\*\) AS running/.test(sql)) return "count";
  if (/deliveries\.ordering_key\s+FROM/.test(sql)) return "pick";
  if (/state = 'running', claim/.test(sql)) return "claim";
  if (/events\.metadata/.test(sql)) return "read";
  if (/subscriptions\.destination/.test(sql)) return "read endpoints";
  if (/SET state = it\.state/.test(sql)) return "move on";
  if (/INSERT INTO \S*busbar_webhook_attempts/.test(sql)) return "log";
  if (/endpoints/.test(sql)) return "lock";
  return undefined;
}

function killing(store: SqlStore): SqlStore {
  const watch = (executor: SqlExecutor): SqlExecutor => ({
    async execute(sql, parameters, options) {
      const kind = kindOf(sql);
      if (kind === undefined) return executor.execute(sql, parameters, options);
      point(`before ${kind}`);
      return executor.execute(sql, parameters, options);
    },
  });
  return {
    ...store,
    ...watch(store),
    within: (tx) => watch(store.within(tx)),
    async transaction(work, options) {
      let name = "";
      const result = await store.transaction(async (tx) => {
        const value = await work(tx);
        name = value && typeof value === "object" && "late" in value ? "the record" : "the claim";
        point(`before the commit of ${name}`);
        return value;
      }, options);
      point(`after the commit of ${name}`);
      return result;
    },
  };
}

const store = killing(await openStore(connection));
let arrived = 0;
const { dispatcher } = startDispatcher(
  {
    prefix: connection.schema === undefined ? "" : `${connection.schema}.`,
    createStore: () => store,
  },
  ({ delivery }) => {
    point("before the attempt");
    appendFileSync(arrivalsFile, `${delivery.id} ${delivery.attempt}\n`);
    point("after the attempt");
    arrived += 1;
    return OK;
  },
);
await until(() => arrived === deliveries && dispatcher.inFlight === 0, "all deliveries");
await dispatcher.stop(1_000);
writeSync(1, `points ${JSON.stringify([...points])}\n`);
process.exit(0);
