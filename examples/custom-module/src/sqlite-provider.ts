import { type ConsumerHandle, createPollingConsumer, type EventProvider } from "@busbar/core";
import * as v from "valibot";
import { createAdmin } from "./dead-letters.ts";
import { extend, publish, settle, take, type Token } from "./deliveries.ts";
import { createGroups } from "./groups.ts";
import { createStore } from "./store.ts";
import { createRegistry } from "./subscriptions.ts";

const milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));

export const optionsSchema = v.strictObject({
  /** The folder of the database: a file with the name of the application. */
  directory: v.string(),
  /** After that long, what a process had in hand when it died goes to another. @default 5_000 */
  leaseMs: v.optional(milliseconds, 5_000),
  /** How often to look for what other processes have published. @default 100 */
  pollEveryMs: v.optional(milliseconds, 100),
  /** For how long a `deduplicationId` is remembered. @default 3_600_000 (1 hour) */
  deduplicationWindowMs: v.optional(milliseconds, 3_600_000),
});

/** Options of {@link sqliteProvider}. */
export type SqliteProviderOptions = v.InferInput<typeof optionsSchema>;

/** Makes a provider that keeps events in a SQLite file, for the processes of one machine. */
export function sqliteProvider(given: SqliteProviderOptions): EventProvider {
  const options = v.parse(optionsSchema, given);
  const { leaseMs, pollEveryMs } = options;
  const store = createStore(options);
  const consumers = new Set<ConsumerHandle>();

  return {
    name: "sqlite",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      priority: true,
      deduplication: true,
      ordering: true,
      redeliverAfterMs: leaseMs + pollEveryMs,
      maxBatch: 500,
    },
    subscriptions: createRegistry(store),
    admin: createAdmin(store),
    groups: createGroups(store),
    start: (context) => store.open(context),
    publish: (batch, { deadline }) => publish(store, batch, deadline),

    async consume({ subscriptionId, concurrency }, deliver) {
      const { clock, logger } = store.context();
      const consumer = createPollingConsumer<Token>({
        clock,
        logger,
        concurrency,
        deliver,
        pollEveryMs,
        extendEveryMs: leaseMs / 3,
        fetch: (limit) => take(store, subscriptionId, limit),
        settle: (token, settlement) => settle(store, token, settlement),
        extend: (tokens) => extend(store, tokens),
        async release(tokens) {
          for (const token of tokens) await settle(store, token, { type: "release" });
        },
        wake: store.watch,
      });
      consumers.add(consumer);
      return consumer;
    },

    async stop({ graceMs }) {
      await Promise.all([...consumers].map((consumer) => consumer.close({ graceMs })));
      store.close();
    },

    probe: async () => ({ ok: store.isOpen() && store.sql`SELECT 1`.length > 0 }),
  };
}
