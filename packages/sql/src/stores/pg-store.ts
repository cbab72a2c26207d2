import { createHash } from "node:crypto";
import { assertOptions, checks, systemClock, type Timer } from "@busbar/core/provider";
import { answered } from "../answer-limit.ts";
import { defineStore } from "../define-store.ts";
import { methodsOf, storeOptions } from "../option-checks.ts";
import { quoteName } from "../sql.ts";
import type {
  AnswerOptions,
  Listen,
  SqlStore,
  SqlExecutor,
  SqlRow,
  SqlValue,
  StoreOptions,
} from "../store.ts";
import { assertTransaction } from "../transactions.ts";

/** The part of what `pg` answers that is used. */
export interface PgResult {
  /** The rows of the answer. */
  readonly rows: readonly unknown[];
}

/** A statement that PostgreSQL keeps under a name, as `pg` takes it. */
export interface PgPrepared {
  /** The name under which the server keeps the prepared statement. */
  readonly name: string;
  /** The SQL of the statement. */
  readonly text: string;
  /** The values of the parameters. */
  readonly values: unknown[];
}

/** The part of a `pg` client, or pool, that runs statements. */
export interface PgQueryable {
  /** Runs one statement. */
  query(text: string, values?: unknown[]): Promise<PgResult | PgResult[]>;
  query(statement: PgPrepared): Promise<PgResult | PgResult[]>;
}

/** The part of a `pg` pool's client that is used. A transaction of the caller's is also one. */
export interface PgClient extends PgQueryable {
  /** Gives the client back to the pool; with an error, the pool closes it. */
  release(error?: Error | boolean): void;
  /** Adds a listener. */
  on(event: "error" | "end" | "notification", listener: (argument?: never) => void): unknown;
  /** Removes a listener. */
  removeListener(event: string, listener: (argument?: never) => void): unknown;
}

/** The part of a `pg` pool that is used. */
export interface PgPool<Client extends PgClient = PgClient> extends PgQueryable {
  /** Calls back with a client of the pool, or with the error that there is none. */
  connect(callback: (error: Error | undefined, client: Client | undefined) => void): void;
}

/** Options of {@link pgStore}. */
export interface PgStoreOptions<Client extends PgClient> extends StoreOptions {
  /**
   * A pool of `pg`. It stays yours: never closed, and its `error` event is for you to handle. A relay
   * keeps one of its connections for `LISTEN`, and takes another for each batch.
   */
  readonly pool: PgPool<Client>;
  /**
   * Hears of commits in other processes. Give `pgListen(direct)` with a pool of direct connections where `pool` goes
   * through PgBouncer in transaction mode, on whose connections no notification arrives.
   *
   * @default pgListen(pool)
   */
  readonly listen?: Listen | undefined;
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
): SqlStore<Client> {
  assertOptions(
    "pgStore()",
    options,
    {
      ...storeOptions,
      pool: methodsOf("a pool of pg", ["connect", "query"]),
      listen: checks.function,
    },
    { pool: "such as new pg.Pool({ connectionString })" },
  );
  const { pool, schema } = options;
  const prepared = new PreparedStatements();

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
    listen: options.listen ?? pgListen(pool),
    server: serverOf(pool),
    within(client) {
      assertTransaction(!("totalCount" in client || "Client" in client), "a pool");
      return executor(client);
    },
    execute: (sql, parameters = [], options = {}) =>
      onConnection(
        (client) =>
          options.isFrequent
            ? prepared.execute(client, sql, parameters)
            : executor(client).execute(sql, parameters),
        options,
      ),
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

/** What PostgreSQL says of a statement that another connection has prepared, by way of a pooler such as PgBouncer. */
const NOT_PREPARED = /^(26000|42P05)$/;

/** Statements that are planned once for each connection, which takes longer than carrying them out. */
class PreparedStatements {
  readonly #names = new Map<string, string>();
  /** Whether connections keep what they have prepared. Not with every pooler. */
  #areKept = true;

  async execute(
    client: PgQueryable,
    text: string,
    parameters: readonly SqlValue[],
  ): Promise<readonly SqlRow[]> {
    if (!this.#areKept) return executor(client).execute(text, parameters);
    let name = this.#names.get(text);
    if (name === undefined) {
      name = `busbar_${createHash("sha1").update(text).digest("hex")}`;
      this.#names.set(text, name);
    }
    try {
      return rowsOf(await client.query({ name, text, values: [...parameters] }));
    } catch (error) {
      // Nothing was carried out.
      if (!NOT_PREPARED.test(String((error as { code?: unknown }).code))) throw error;
      this.#areKept = false;
      return executor(client).execute(text, parameters);
    }
  }
}

/** Options of {@link pgListen}. */
export interface PgListenOptions {
  /**
   * Milliseconds between two looks whether the connection still answers, and for an answer: one whose other
   * end has vanished says nothing, as does one on which nothing happens.
   *
   * @default 10_000
   */
  readonly checkEveryMs?: number | undefined;
}

/** Hears notifications by way of a connection of a `pg` pool. */
export function pgListen<Client extends PgClient>(
  pool: PgPool<Client>,
  { checkEveryMs = 10_000 }: PgListenOptions = {},
): Listen {
  return async (channel, onNotify, onLost) => {
    const connecting = checkOut(pool);
    const client = await answered(connecting, checkEveryMs, () => {
      void connecting.then((late) => late.release(), ignore);
    });
    let open = true;
    let timer: Timer | undefined;
    const onNotification = (message?: { readonly payload?: string }): void =>
      onNotify(message?.payload);
    const checkLater = (): void => {
      if (!open) return;
      timer = systemClock.setTimeout(() => {
        answered(client.query("SELECT 1 AS alive"), checkEveryMs).then(checkLater, close);
      }, checkEveryMs);
    };
    const close = (cause?: unknown): void => {
      if (!open) return;
      open = false;
      timer?.cancel();
      client.removeListener("notification", onNotification);
      // The connection may be broken, and listens: not one for the pool.
      client.release(true);
      if (cause !== undefined) onLost(cause);
    };
    client.on("error", (error?: Error) => close(error ?? new Error("The connection failed")));
    client.on("end", () => close(new Error("The connection has ended")));
    client.on("notification", onNotification);
    try {
      await answered(client.query(`LISTEN ${quoteName(channel)}`), checkEveryMs);
    } catch (error) {
      close();
      throw error;
    }
    checkLater();
    return async () => close();
  };
}

/**
 * A client whose error events are ignored: between two statements nobody else listens, and such an event
 * would end the process. By a callback, as the first may come before a promise has resolved with the client: a
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

/** The server that a pool connects to, if its options name the server. */
function serverOf(pool: object): string | undefined {
  const { options } = pool as { options?: Readonly<Record<string, unknown>> };
  const { connectionString, host, port = 5432 } = options ?? {};
  if (typeof host === "string") return `${host}:${String(port)}`;
  if (typeof connectionString !== "string" || !URL.canParse(connectionString)) return undefined;
  return new URL(connectionString).host || undefined;
}

function executor(client: PgQueryable): SqlExecutor {
  return {
    async execute(sql, parameters = []) {
      return rowsOf(await client.query(sql, [...parameters]));
    },
  };
}

function rowsOf(result: PgResult | PgResult[]): readonly SqlRow[] {
  const last = Array.isArray(result) ? result.at(-1) : result;
  return (last?.rows ?? []) as readonly SqlRow[];
}

function ignore(): void {}
