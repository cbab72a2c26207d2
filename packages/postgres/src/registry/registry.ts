import {
  createSubscriptionList,
  type ProviderContext,
  type StoredSubscriptions,
  type SubscriptionList,
  type SubscriptionRegistry,
} from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import { isPassing, toColumn } from "@busbar/sql/feature";
import { bury, discard, dropOldLetters, room } from "../admin/dead-letters.ts";
import { firstLines, unwantedLines } from "../admin/taken-lines.ts";
import type { Database } from "../database.ts";
import { createQueues } from "./queues.ts";

/** How often a declaration is tried while connections are lost. */
const MOST_TRIES = 4;
/** Milliseconds without a declaration after which the process of a temporary subscription has ended. */
const TEMPORARY_MS = 300_000;

/** What a publish goes by. */
export interface Routing {
  /** Goes up with each declaration. A publish by an older version does nothing, and is repeated. */
  readonly version: number;
  readonly list: SubscriptionList;
  /** Returns the queue of a subscription that is on the list. */
  readonly queueOf: (subscriptionId: string) => number;
  /** The time of the database, in milliseconds since the epoch. */
  readonly serverNow: () => number;
}

/** The subscriptions of a bus, and their queues. */
export interface Registry extends SubscriptionRegistry {
  /**
   * Resolves with the copy of the list that this process has, or reads it.
   *
   * @param executor Reads it: in a transaction of a caller's, there may be no other free connection.
   */
  routing(executor?: SqlExecutor): Promise<Routing>;
  /** Reads the list again. */
  refresh(executor?: SqlExecutor): Promise<Routing>;
  /** Resolves with the queue of a subscription, also one that is not on the list. */
  queueOf(subscriptionId: string): Promise<number>;
  /** Moves deliveries from the queues of earlier ids to the present ones. Resolves with these. */
  moveStrays(): Promise<readonly number[]>;
  /** Counts events as withheld from the subscriptions that want these names and are orphaned. */
  withheld(names: readonly string[]): Promise<void>;
}

/** A change of the list, in a transaction that no other change runs in at the same time. */
type Change<T> = (
  list: SubscriptionList,
  executor: SqlExecutor,
  queueOf: (subscriptionId: string) => Promise<number>,
  serverNow: () => number,
) => Promise<T>;

/**
 * Keeps the list of subscriptions in one row. Changes of the list take turns by it. A publish reads it and locks nothing, so
 * neither holds up the other, however long a transaction stays open.
 */
export function createRegistry(context: ProviderContext, database: Database): Registry {
  const { clock, orphanedAfterMs, deadLetters } = context;
  const { now, table } = database;
  const registry = table("registry");
  const queues = createQueues(database);
  let cached: Routing | undefined;
  let uncounted: string[] = [];
  let counting: Promise<void> | undefined;

  async function read(executor: SqlExecutor, lock = ""): Promise<Routing> {
    const [row] = await executor.execute(
      `SELECT CAST(version AS double precision) AS version, list,
        CAST(${now} AS double precision) AS now, CAST((
          SELECT coalesce(json_object_agg(subscription_id, number), '{}') FROM ${table("queues")} WHERE subscription_id IS NOT NULL
        ) AS text) AS queues
      FROM ${registry} ${lock}`,
    );
    const numbers = JSON.parse(row?.["queues"] as string) as Readonly<Record<string, number>>;
    const stored = JSON.parse(row?.["list"] as string) as StoredSubscriptions;
    // From here on the clock of the database goes on by that of the process which nobody sets.
    const ahead = (row?.["now"] as number) - clock.monotonic();
    const serverNow = (): number => clock.monotonic() + ahead;
    return {
      version: row?.["version"] as number,
      list: createSubscriptionList({ clock: { now: serverNow }, orphanedAfterMs }, stored),
      queueOf: (subscriptionId) => numbers[toColumn(subscriptionId)] as number,
      serverNow,
    };
  }

  async function refresh(executor: SqlExecutor = database): Promise<Routing> {
    const found = await read(executor);
    // A transaction of a caller's may see an older list.
    if (!cached || found.version >= cached.version) cached = found;
    return found;
  }

  async function write<T>(change: Change<T>): Promise<T> {
    const result = await database.transaction(async (executor) => {
      const { list, serverNow } = await read(executor, "FOR UPDATE");
      const before = routesOf(list);
      const changed = await change(list, executor, (id) => queues.find(executor, id), serverNow);
      // Most declarations change nothing that publishes go by.
      const step = routesOf(list) === before ? 0 : 1;
      await executor.execute(
        `UPDATE ${registry} SET version = version + ${step}, list = CAST($1 AS text)`,
        [JSON.stringify(list)],
      );
      return changed;
    });
    cached = undefined;
    return result;
  }

  async function count(): Promise<void> {
    const names = uncounted;
    uncounted = [];
    await write(async (list) => names.forEach((name) => list.match(name)));
  }

  return {
    routing: async (executor) => cached ?? refresh(executor),
    refresh,

    async queueOf(subscriptionId) {
      const { list, queueOf } = await refresh();
      const present = list.presentId(subscriptionId);
      return queueOf(present) ?? queues.find(database, present);
    },

    moveStrays: () => queues.moveStrays(),

    async withheld(names) {
      uncounted.push(...names);
      // Those that come while a count is under way are counted together.
      while (uncounted.length > 0) {
        counting ??= count().finally(() => (counting = undefined));
        await counting;
      }
      await counting;
    },

    async declare(specs) {
      await insistently(() =>
        write(async (list, executor, queueOf, serverNow) => {
          const renamed = list.declare(specs);
          await queues.ensure(
            executor,
            list.list().map(({ subscriptionId }) => subscriptionId),
          );
          for (const { from, to } of renamed) {
            await queues.rename(executor, await queueOf(from), await queueOf(to));
          }
          for (const subscriptionId of endedIn(list, serverNow())) {
            list.retire(subscriptionId);
            await queues.forget(executor, await queueOf(subscriptionId));
          }
        }),
      );
      // The bus declares every minute: the time to look for what is too old.
      await dropOldLetters(context, database);
    },

    list: async () => (await refresh()).list.list(),
    setPaused: (subscriptionId, paused) =>
      write(async (list) => list.setPaused(subscriptionId, paused)),

    retire: (subscriptionId, { events, backlog }) =>
      write(async (list, executor, queueOf) => {
        // Nobody waits for a temporary one any more: its deliveries in flight would stay when they are released.
        const isOver = list.get(subscriptionId)?.temporary && !events && backlog === "discard";
        const isWanted = list.retire(subscriptionId, events);
        if (backlog === "keep") return 0;
        const queue = await queueOf(subscriptionId);
        const waiting = await executor.execute(
          `SELECT CAST(waiting.id AS text) AS id, CAST(array_to_json(members) AS text) AS members, body
          FROM ${table("deliveries")} AS waiting JOIN ${table("packs")} AS pack ON pack.id = waiting.pack
          WHERE queue = CAST($1 AS integer) ${isOver ? "" : "AND lease IS NULL"}
          ORDER BY priority, waiting.position FOR UPDATE OF waiting`,
          [queue],
        );
        const unwanted = waiting
          .map((row) => unwantedLines(row, isWanted))
          .filter(({ taken }) => taken.length > 0);
        if (backlog === "discard") {
          await discard(executor, database, queue, unwanted);
          // A publish at the same moment may still write to the queue: nobody sees that.
          if (isOver) await queues.forget(executor, queue);
          return unwanted.flatMap(({ taken }) => taken).length;
        }
        // What there is no room for goes on waiting: nothing is lost.
        const most = await room(executor, database, queue, deadLetters.maxPerSubscription);
        const buried = firstLines(unwanted, most);
        await bury(executor, database, buried, { reason: "retired", state: null });
        return buried.flatMap(({ taken }) => taken).length;
      }),
  };
}

/** Runs work again that may run twice: the pool may hand out connections that were lost, one after the other. */
async function insistently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !isPassing(error)) throw error;
    }
  }
}

/** Temporary subscriptions whose processes have ended. */
function endedIn(list: SubscriptionList, serverNow: number): readonly string[] {
  return list
    .list()
    .filter((it) => it.temporary && it.lastSeenAt <= serverNow - TEMPORARY_MS)
    .map(({ subscriptionId }) => subscriptionId);
}

/** What publishes go by, as a text to compare. */
function routesOf(list: SubscriptionList): string {
  const { renamed } = list.toJSON();
  const routes = list.list().map((it) => ({ ...it, lastSeenAt: undefined, withheld: undefined }));
  return JSON.stringify([renamed, routes]);
}
