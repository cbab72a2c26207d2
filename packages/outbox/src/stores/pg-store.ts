import { answered } from "../answer-limit.ts";
import { defineStore } from "../define-store.ts";
import { quoteName } from "../sql.ts";
import type {
  AnswerOptions,
  Listen,
  OutboxStore,
  SqlExecutor,
  SqlRow,
  StoreOptions,
} from "../store.ts";
import { assertTransaction } from "../transactions.ts";

/** The part of a `pg` client, or pool, that runs statements. */
export interface PgQueryable {
  query(
    text: string,
    values?: unknown[],
  ): Promise<{ readonly rows: readonly unknown[] } | { readonly rows: readonly unknown[] }[]>;
}

/** The part of a `pg` pool's client that is used. A transaction of the caller's is one, too. */
export interface PgClient extends PgQueryable {
  release(error?: Error | boolean): void;
  on(event: "error" | "end" | "notification", listener: (argument?: never) => void): unknown;
  removeListener(event: string, listener: (argument?: never) => void): unknown;
}

/** The part of a `pg` pool that is used. */
export interface PgPool<Client extends PgClient = PgClient> extends PgQueryable {
  connect(callback: (error: Error | undefined, client: Client | undefined) => void): void;
}

/** Options of {@link pgStore}. */
export interface PgStoreOptions<Client extends PgClient> extends StoreOptions {
  /**
   * A pool of `pg`. It stays yours: never closed, and its `error` event is for you to handle. The relay
   * keeps one of its connections for `LISTEN`, and takes another for each batch.
   */
  readonly pool: PgPool<Client>;
}

/**
 * A store on PostgreSQL by way of `pg`. A transaction is a client on which `BEGIN` has run.
 *
 * @example
 * ```ts
 * const store = pgStore({ pool: new Pool({ connectionString: process.env.DATABASE_URL }) });
 * ```
 */
export function pgStore<Client extends PgClient>(
  options: PgStoreOptions<Client>,
): OutboxStore<Client> {
  const { pool, schema } = options;

  /**
   * Has `work` use a connection, which goes back to the pool unless it may be broken: when `work` fails
   * without having released it, or takes too long.
   */
  function onConnection<T>(
    work: (client: Client, release: () => void) => Promise<T>,
    { answerWithinMs }: AnswerOptions,
  ): Promise<T> {
    let isOver = false;
    let client: Client | undefined;
    const end = (broken?: Error): void => {
      if (isOver) return;
      isOver = true;
      // A broken one goes on failing for a moment, and the pool no longer listens to it.
      if (!broken) client?.removeListener("error", ignore);
      client?.release(broken);
    };
    const run = async (): Promise<T> => {
      client = await checkOut(pool);
      if (isOver) {
        client.release();
        throw new Error("A connection came too late");
      }
      try {
        const result = await work(client, end);
        end();
        return result;
      } catch (error) {
        end(error as Error);
        throw error;
      }
    };
    return answerWithinMs === undefined ? run() : answered(run(), answerWithinMs, end);
  }

  return defineStore<Client>({
    dialect: "postgres",
    schema,
    listen: pgListen(pool),
    within(client) {
      assertTransaction(!("totalCount" in client || "Client" in client), "a pool");
      return executor(client);
    },
    execute: (sql, parameters, options) =>
      options?.answerWithinMs === undefined
        ? executor(pool).execute(sql, parameters)
        : onConnection((client) => executor(client).execute(sql, parameters), options),
    transaction: (work, options = {}) =>
      onConnection(async (client, release) => {
        await client.query("BEGIN");
        try {
          const result = await work(client);
          await client.query("COMMIT");
          return result;
        } catch (error) {
          await client.query("ROLLBACK").then(release, () => {});
          throw error;
        }
      }, options),
  });
}

/** Hears notifications by way of a connection of a `pg` pool. */
export function pgListen<Client extends PgClient>(pool: PgPool<Client>): Listen {
  return async (channel, onNotify, onLost) => {
    const client = await checkOut(pool);
    let open = true;
    const close = (cause?: unknown): void => {
      if (!open) return;
      open = false;
      client.removeListener("notification", onNotify);
      // The connection may be broken, and listens: not one for the pool.
      client.release(true);
      if (cause !== undefined) onLost(cause);
    };
    client.on("error", (error?: Error) => close(error ?? new Error("The connection failed")));
    client.on("end", () => close(new Error("The connection has ended")));
    client.on("notification", onNotify);
    try {
      await client.query(`LISTEN ${quoteName(channel)}`);
    } catch (error) {
      close();
      throw error;
    }
    return async () => close();
  };
}

/**
 * A client whose error events are ignored: between two statements nobody else listens, and such an event
 * would end the process. By a callback, as the first may come before a promise has told of the client: a
 * server that stops ends a connection in the packet that opens it.
 */
function checkOut<Client extends PgClient>(pool: PgPool<Client>): Promise<Client> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (!client) return reject(error);
      client.on("error", ignore);
      resolve(client);
    });
  });
}

function executor(client: PgQueryable): SqlExecutor {
  return {
    async execute(sql, parameters = []) {
      const result = await client.query(sql, [...parameters]);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return (last?.rows ?? []) as readonly SqlRow[];
    },
  };
}

function ignore(): void {}
