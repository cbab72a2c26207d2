// A process that goes on with replays, and dies at one point of the transaction of its first step that begins something.
import type { SqlStore } from "@busbar/sql";
import type { Catalogue } from "../../src/catalogue/catalogue.ts";
import type { ActiveSubscriptions } from "../../src/contract/active-subscriptions.ts";
import { Rematch } from "../../src/replay/rematch.ts";
import { ReplayRunner } from "../../src/replay/replay-runner.ts";
import type { Payloads } from "../../src/route/payloads.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { openStore } from "./open-store.ts";
import type { ReplayChildOptions } from "./replay-child-options.ts";

const { connection, dieAt, leaseMs } = JSON.parse(process.argv[2] ?? "") as ReplayChildOptions;

/** Dies in the second step. */
function killing(store: SqlStore): SqlStore {
  let steps = 0;
  const point = (name: string): void => {
    if (steps === 2 && name === dieAt) process.kill(process.pid, "SIGKILL");
  };
  return {
    ...store,
    async transaction(work, options) {
      const result = await store.transaction(async (tx) => {
        const value = await work(tx);
        steps += 1;
        point("before the commit");
        return value;
      }, options);
      point("after the commit");
      return result;
    },
  };
}

const store = webhookStore(killing(await openStore(connection)));
const logger = { debug() {}, info() {}, warn: console.error, error: console.error };
const rematch = new Rematch({
  store,
  catalogue: { get: () => undefined } as Partial<Catalogue> as Catalogue,
  payloads: {} as Payloads,
  active: {} as ActiveSubscriptions,
  refresh: async () => {},
  channel: "test",
  logger,
});
new ReplayRunner({
  store,
  rematch,
  logger,
  hasIndex: false,
  channel: "test",
  onBegun() {},
  leaseMs,
  pollEveryMs: 10,
}).start();
// The bus keeps a process alive, a runner alone does not.
setInterval(() => {}, 1_000);
