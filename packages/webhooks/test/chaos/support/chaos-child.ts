// An application in a process of its own that delivers, and whose wall clock is wrong.
import { writeSync } from "node:fs";
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
await startApp(store, { route: false, dispatch: { pollEveryMs: 50, leaseMs } });
writeSync(1, "started\n");
