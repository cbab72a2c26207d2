// A process that only relays into Redis, and kills itself between a publish and the delete of its rows.
import { createEventBus } from "@busbar/core";
import { outbox } from "../../src/outbox.ts";
import { openStore } from "./open-store.ts";
import { redisBroker } from "./redis-broker.ts";
import type { TestDatabase } from "./stores.ts";
import { wrapped } from "./wrapped.ts";

/** What the parent says. */
export interface RelayChildOptions {
  readonly connection: TestDatabase["connection"];
  readonly redisUrl: string;
  /** Of the bus, which all its processes share. */
  readonly name: string;
  readonly batchSize: number;
  /** After which of its publishes it dies. */
  readonly dieAfter: number;
}

const options = JSON.parse(process.argv[2] ?? "") as RelayChildOptions;
const inner = redisBroker(options.redisUrl);
let publishes = 0;
const bus = createEventBus({
  name: options.name,
  role: "server",
  provider: {
    ...wrapped(inner),
    async publish(batch, publishOptions) {
      const results = await inner.publish(batch, publishOptions);
      publishes += 1;
      if (publishes === options.dieAfter) process.kill(process.pid, "SIGKILL");
      return results;
    },
  },
  plugins: [
    outbox({
      store: await openStore(options.connection),
      relay: { leaseMs: 300, batchSize: options.batchSize },
    }),
  ],
});
await bus.start();
