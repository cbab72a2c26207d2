// An application in a process of its own that delivers, and whose wall clock is wrong. Stands still once it reads a line.
import { writeSync } from "node:fs";
import type { SqlStore } from "@busbar/sql";
import type { TestDatabase } from "../../support/databases.ts";
import { openStore } from "../../support/open-store.ts";
import { startApp } from "./chaos.ts";

/** What the parent says to `chaos-child.ts`. */
export interface ChaosChildOptions {
  readonly connection: TestDatabase["connection"];
  /** Milliseconds that the clock is ahead. */
  readonly aheadMs: number;
  readonly leaseMs: number;
}

const { connection, aheadMs, leaseMs } = JSON.parse(process.argv[2] ?? "") as ChaosChildOptions;
const RightDate = Date;

globalThis.Date = class extends RightDate {
  constructor(...given: [] | [number]) {
    super(...((given.length === 0 ? [RightDate.now() + aheadMs] : given) as [number]));
  }

  static override now(): number {
    return RightDate.now() + aheadMs;
  }
} as DateConstructor;

const store = await openStore(connection);
/** Statements and transactions that have not ended. */
let underWay = 0;

async function count<T>(work: () => Promise<T>): Promise<T> {
  underWay += 1;
  try {
    return await work();
  } finally {
    underWay -= 1;
  }
}

const counted: SqlStore = {
  ...store,
  execute: (...args) => count(() => store.execute(...args)),
  transaction: (...args) => count(() => store.transaction(...args)),
};

/** Stands still from a moment at which the process has nothing locked in the database. */
function standStill(): void {
  if (underWay > 0) {
    setImmediate(standStill);
    return;
  }
  writeSync(1, "standing still\n");
  process.kill(process.pid, "SIGSTOP");
}

process.stdin.once("data", standStill);
await startApp(counted, { route: false, dispatch: { pollEveryMs: 50, leaseMs } });
writeSync(1, "started\n");
