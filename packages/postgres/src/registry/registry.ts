import {
  createSubscriptionList,
  type ProviderContext,
  type StoredSubscriptions,
  type SubscriptionList,
  type SubscriptionRegistry,
} from "@busbar/core/provider";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import { isPassing, toColumn } from "@busbar/sql/feature";
import { bury, discard, room, type TakenLines, trimDeadLetters } from "../admin/dead-letters.ts";
import { readEnvelope } from "../stored-envelope.ts";
import type { Database } from "../database.ts";

/** How often a declaration is tried while connections are lost. */
const MOST_TRIES = 4;

/** What a publish goes by. */
export interface Routing {
  /** Goes up with each declaration. A publish by an older version does nothing, and is repeated. */
  readonly version: number;
  readonly list: SubscriptionList;
  /** Returns the queue of a subscription that is on the list. */
  readonly queueOf: (subscriptionId: string) => number;
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
  /** Counts events as withheld from the subscriptions that want these names and are orphaned. */
  withheld(names: readonly string[]): Promise<void>;
}

/** A change of the list, in a transaction that no other change runs in at the same time. */
type Change<T> = (
  list: SubscriptionList,
  executor: SqlExecutor,
  queueOf: (subscriptionId: string) => Promise<number>,
) => Promise<T>;

/**
 * Keeps the list of subscriptions in one row. Changes of the list take turns by it. A publish reads it and locks nothing, so
 * neither holds up the other, however long a transaction stays open.
 */
export function createRegistry(context: ProviderContext, database: Database): Registry {
  const { clock, orphanedAfterMs, deadLetters } = context;
  const { now, table } = database;
  const registry = table("registry");
  const queues = table("queues");
  let cached: Routing | undefined;
  let uncounted: string[] = [];
  let counting: Promise<void> | undefined;

  async function read(executor: SqlExecutor, lock = ""): Promise<Routing> {
    const [row] = await executor.execute(
      `SELECT CAST(version AS double precision) AS version, list,
        CAST(${now} AS double precision) AS now, CAST((
          SELECT coalesce(json_object_agg(subscription_id, number), '{}') FROM ${queues}
        ) AS text) AS queues
      FROM ${registry} ${lock}`,
    );
    const numbers = JSON.parse(row?.["queues"] as string) as Readonly<Record<string, number>>;
    const stored = JSON.parse(row?.["list"] as string) as StoredSubscriptions;
    // From here on the clock of the database goes on by that of the process which nobody sets.
    const ahead = (row?.["now"] as number) - clock.monotonic();
    const serverClock = { now: () => clock.monotonic() + ahead };
    return {
      version: row?.["version"] as number,
      list: createSubscriptionList({ clock: serverClock, orphanedAfterMs }, stored),
      queueOf: (subscriptionId) => numbers[toColumn(subscriptionId)] as number,
    };
  }

  async function refresh(executor: SqlExecutor = database): Promise<Routing> {
    const found = await read(executor);
    // A transaction of a caller's may see an older list.
    if (!cached || found.version >= cached.version) cached = found;
    return found;
  }

  async function queueIn(executor: SqlExecutor, subscriptionId: string): Promise<number> {
    const id = [toColumn(subscriptionId)];
    const present = `SELECT number FROM ${queues} WHERE subscription_id = CAST($1 AS text)`;
    const [known] = await executor.execute(present, id);
    if (known) return known["number"] as number;
    await executor.execute(
      `INSERT INTO ${queues} (subscription_id) VALUES (CAST($1 AS text)) ON CONFLICT DO NOTHING`,
      id,
    );
    const [added] = await executor.execute(present, id);
    return added?.["number"] as number;
  }

  /** @param step What to add to the version: 0 if publishes need not know of the change. */
  async function write<T>(change: Change<T>, step: 0 | 1 = 1): Promise<T> {
    const result = await database.transaction(async (executor) => {
      const { list } = await read(executor, "FOR UPDATE");
      const changed = await change(list, executor, (id) => queueIn(executor, id));
      await executor.execute(
        `UPDATE ${registry} SET version = version + ${step}, list = CAST($1 AS text)`,
        [JSON.stringify(list)],
      );
      return changed;
    });
    cached = undefined;
    return result;
  }

  /** Moves the pending deliveries, dead letters and deduplication ids of an earlier id to the present one. */
  async function rename(executor: SqlExecutor, from: number, to: number): Promise<void> {
    for (const name of ["deliveries", "dead_letters"]) {
      await executor.execute(
        `UPDATE ${table(name)} SET queue = CAST($2 AS integer) WHERE queue = CAST($1 AS integer)`,
        [from, to],
      );
    }
    await executor.execute(
      `WITH gone AS (
        DELETE FROM ${table("deduplications")} WHERE queue = CAST($1 AS integer) RETURNING id, until)
      INSERT INTO ${table("deduplications")} AS known (queue, id, until)
      SELECT CAST($2 AS integer), id, until FROM gone
      ON CONFLICT (queue, id) DO UPDATE SET until = greatest(known.until, excluded.until)`,
      [from, to],
    );
  }

  async function count(): Promise<void> {
    const names = uncounted;
    uncounted = [];
    await write(async (list) => names.forEach((name) => list.match(name)), 0);
  }

  return {
    routing: async (executor) => cached ?? refresh(executor),
    refresh,

    async queueOf(subscriptionId) {
      const { list, queueOf } = await refresh();
      const present = list.presentId(subscriptionId);
      return queueOf(present) ?? queueIn(database, present);
    },

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
      const declared = await insistently(() =>
        write(async (list, executor, queueOf) => {
          for (const { from, to } of list.declare(specs)) {
            await rename(executor, await queueOf(from), await queueOf(to));
          }
          const found: [subscriptionId: string, queue: number][] = [];
          for (const { subscriptionId } of list.list()) {
            found.push([subscriptionId, await queueOf(subscriptionId)]);
          }
          return found;
        }),
      );
      // The bus declares every minute: the time to look for what is too old.
      for (const [subscriptionId, queue] of declared) {
        await trimDeadLetters(context, database, queue, subscriptionId);
      }
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
          .map((row) => linesIn(row, isWanted))
          .filter(({ taken }) => taken.length > 0);
        if (backlog === "discard") {
          await discard(executor, database, queue, unwanted);
          // A publish at the same moment may still write to the queue: without its number nobody sees that.
          if (isOver) {
            await executor.execute(`DELETE FROM ${queues} WHERE number = CAST($1 AS integer)`, [
              queue,
            ]);
          }
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

/** The lines of a row that are not wanted any more. */
function linesIn(row: SqlRow, isWanted: (name: string) => boolean): TakenLines {
  const lines = (row["body"] as string).split("\n");
  const members = JSON.parse(row["members"] as string) as readonly number[];
  // What cannot be read stays: its delivery makes it a dead letter.
  const read = members.flatMap((member) => {
    const envelope = readEnvelope(lines[member] as string);
    return envelope ? [{ member, envelope }] : [];
  });
  const taken = read.filter(({ envelope }) => !isWanted(envelope.name));
  const left = members.filter((member) => !taken.some((it) => it.member === member));
  return { id: row["id"] as string, left, taken };
}

/** The first of these lines. */
function firstLines(rows: readonly TakenLines[], most: number): readonly TakenLines[] {
  let room = most;
  return rows.flatMap(({ id, left, taken }) => {
    const first = taken.slice(0, room);
    room -= first.length;
    if (first.length === 0) return [];
    const rest = taken.slice(first.length).map(({ member }) => member);
    return [{ id, left: [...left, ...rest], taken: first }];
  });
}
