// An application whose router dies at one point of the transaction that writes its first deliveries.
import { writeSync } from "node:fs";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import type { SqlStore } from "@busbar/sql";
import { defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import { webhooks } from "../../src/webhooks.ts";
import { openStore } from "./open-store.ts";
import { ENCRYPTION_KEYS, type RouteChildOptions } from "./route-child-options.ts";

const { connection, dieAt, eventId } = JSON.parse(process.argv[2] ?? "") as RouteChildOptions;

/** Dies before or after the commit of the transaction that writes deliveries: it resolves with their number. */
function killing(store: SqlStore): SqlStore {
  const point = (name: string, written: unknown): void => {
    if (written === 1 && name === dieAt) process.kill(process.pid, "SIGKILL");
  };
  return {
    ...store,
    async transaction(work, options) {
      const result = await store.transaction(async (tx) => {
        const value = await work(tx);
        point("before the commit", value);
        return value;
      }, options);
      point("after the commit", result);
      return result;
    },
  };
}

const hooks = webhooks({
  events: defineAsyncEvents({ "order.placed": {} }),
  store: killing(await openStore(connection)),
  encryptionKeys: ENCRYPTION_KEYS,
  dispatch: false,
});
const bus = createEventBus({ provider: localProvider(), plugins: [hooks] });
await bus.start();
await hooks.publish("order.placed", { id: "42" }, { id: eventId, orderingKey: eventId });
await bus.settled();
writeSync(1, "survived\n");
process.exit(1);
