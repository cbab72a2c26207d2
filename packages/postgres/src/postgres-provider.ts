import {
  defineProvider,
  type EventProvider,
  type OpenProvider,
  type ProviderContext,
} from "@busbar/core/provider";
import { channelOf } from "@busbar/sql/feature";
import { createAdmin } from "./admin/admin.ts";
import { createBoard } from "./board/board.ts";
import { openStore } from "./connection/open-store.ts";
import { consume } from "./consume/consumer.ts";
import { createFinishedPacks } from "./consume/finished-packs.ts";
import { createLonePlaces } from "./consume/lone-place.ts";
import { createSettlements } from "./consume/settlements.ts";
import { startTakeOver } from "./consume/take-over.ts";
import { createDatabase } from "./database.ts";
import { createGroups } from "./groups/groups.ts";
import { type PostgresProviderOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { createPublisher } from "./publish/publisher.ts";
import { createRates } from "./rates/rates.ts";
import { createRegistry } from "./registry/registry.ts";
import { createSchedules } from "./schedules/schedules.ts";
import { prepareSchema } from "./schema/prepare-schema.ts";
import { schemaNameOf } from "./schema/schema-name.ts";
import type { Session } from "./session.ts";
import { startTidying } from "./tidy.ts";
import { VERSION } from "./version.ts";
import { createTransactions } from "./transactions/transactional-publishing.ts";
import { createWakeUps } from "./wake/wake-ups.ts";

/** What a claim and the end of a lease may be late by, in milliseconds. */
const SLACK_MS = 1_000;

/** The optional parts of a provider that PostgreSQL has. */
type Part = "subscriptions" | "admin" | "groups" | "board" | "schedules" | "rates" | "transactions";

/**
 * Creates a provider that stores events in PostgreSQL, in a schema of its own. `bus.withTransaction(tx).emit` puts events
 * into the queues in a transaction of the application, without an outbox.
 *
 * @throws TypeError when an option has an invalid value.
 *
 * @example
 * ```ts
 * const bus = createEventBus({
 *   provider: postgresProvider({ connectionString: "postgres://127.0.0.1:5432/shop" }),
 * });
 * ```
 */
export function postgresProvider(options: PostgresProviderOptions): EventProvider {
  const resolved = resolveOptions(options);
  return defineProvider<Part>({
    name: "postgres",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      priority: true,
      deduplication: true,
      targets: true,
      redeliverAfterMs: resolved.leaseMs + resolved.pollEveryMs + SLACK_MS,
      maxBatch: 1_000,
      wholeBatches: true,
    },
    parts: ["subscriptions", "admin", "groups", "board", "schedules", "rates", "transactions"],
    optional: ["setPaused", "getDead"],
    versions: () => ({ "@busbar/postgres": VERSION }),
    open: (context) => openPostgres(resolved, context),
  });
}

async function openPostgres(
  options: ResolvedOptions,
  context: ProviderContext,
): Promise<OpenProvider<Part>> {
  const schema = options.schema ?? schemaNameOf(context.namespace);
  const store = await openStore(options, schema, context.logger);
  try {
    await prepareSchema(store, options.migrate);
  } catch (error) {
    await store.close();
    throw error;
  }
  const database = createDatabase(store, context, options.answerWithinMs);
  const wakeUps = createWakeUps({
    context,
    database,
    listen: store.listen,
    channel: channelOf(database.table("deliveries")),
    pollEveryMs: options.pollEveryMs,
  });
  const registry = createRegistry(context, database);
  const publisher = createPublisher({ context, options, database, registry, wakeUps });
  const onWaiting = (queues: readonly number[]): void => wakeUps.committed(queues);
  const finished = createFinishedPacks(context, database);
  const onGone = (packs: readonly number[]): void => finished.add(packs);
  const settlements = createSettlements({ context, database, onWaiting, onGone });
  const places = createLonePlaces(context.clock);
  const parts = { registry, publisher, wakeUps, settlements, places };
  const session: Session = { context, options, database, ...parts };
  const moveStrays = (): Promise<readonly number[]> => registry.moveStrays();
  const takeOver = startTakeOver(context, database, options.pollEveryMs, moveStrays, onWaiting);
  const tidying = startTidying(context, database);
  return {
    publish: (batch) => publisher.publish(batch),
    consume: (spec, deliver) => consume(session, spec, deliver),
    subscriptions: registry,
    admin: createAdmin(session),
    groups: createGroups(session),
    board: createBoard(session),
    schedules: createSchedules(session),
    rates: createRates(session),
    transactions: createTransactions(session),
    serverTime: () => database.time(),
    async probe() {
      await database.ask();
      return { ok: true };
    },
    async close() {
      settlements.close();
      await finished.close();
      database.close();
      await Promise.all([takeOver.close(), tidying.close(), wakeUps.close()]);
      await store.close();
    },
  };
}
