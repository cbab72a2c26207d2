import { createPollingConsumer, defineEventModule, defineProvider } from "@busbar/core/provider";
import type { EventProvider } from "@busbar/core/provider";
import * as v from "valibot";
import { createAdmin } from "./dead-letters.ts";
import { openQueue, route } from "./deliveries.ts";
import { openStore } from "./store.ts";
import { createRegistry } from "./subscriptions.ts";

const milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));
const optionsSchema = v.strictObject({
  /** The folder of the database: a file with the name of the application. */
  directory: v.string(),
  /** After that long, what a process had in hand when it died goes to another. @default 5_000 */
  leaseMs: v.optional(milliseconds, 5_000),
  /** How often to look for what other processes have published. @default 100 */
  pollEveryMs: v.optional(milliseconds, 100),
});

/** Options of {@link sqliteProvider}. */
export type SqliteProviderOptions = v.InferInput<typeof optionsSchema>;

/** Makes a provider that keeps events in a SQLite file, for the processes of one machine. */
export function sqliteProvider(options: SqliteProviderOptions): EventProvider {
  const { directory, leaseMs, pollEveryMs } = v.parse(optionsSchema, options);
  return defineProvider({
    name: "sqlite",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      priority: true,
      redeliverAfterMs: leaseMs + pollEveryMs,
      maxBatch: 500,
    },
    parts: ["subscriptions", "admin"],
    optional: ["getDead"],
    async open(context) {
      const store = openStore(directory, context);
      return {
        subscriptions: createRegistry(store),
        admin: createAdmin(store),
        publish: (batch, { deadline }) => store.write(() => route(store, batch), deadline),
        consume: async (spec, deliver) => {
          const queue = openQueue(store, spec.subscriptionId, leaseMs);
          return createPollingConsumer({ ...context, ...spec, ...queue, deliver, pollEveryMs });
        },
        serverTime: async () => store.now(),
        close: async () => void store.close(),
      };
    },
  });
}

// What `{ resolve: "busbar-sqlite", options }` in a configuration stands for.
// oxlint-disable-next-line import/no-default-export
export default defineEventModule({
  name: "busbar-sqlite",
  options: optionsSchema,
  provider: sqliteProvider,
});
