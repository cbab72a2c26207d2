import "reflect-metadata";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { watchSecrets } from "@busbar/conformance";
import { createEventBus, type EventBus, type Subscriber } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { postgresProvider } from "@busbar/postgres";
import { pgListen } from "@busbar/sql";
import { MikroORM, type SqlEntityManager } from "@mikro-orm/postgresql";
import { PrismaPg } from "@prisma/adapter-pg";
import { sql as drizzleSql } from "drizzle-orm";
import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres";
import { drizzle as drizzleOnPostgres } from "drizzle-orm/postgres-js";
import createKnex, { type Knex } from "knex";
import { Kysely, PostgresDialect, sql as kyselySql, SqliteDialect, type Transaction } from "kysely";
import Database from "libsql";
import pg from "pg";
import postgres from "postgres";
import { DataSource, type EntityManager } from "typeorm";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DrizzleExecutor, drizzleStore } from "../src/adapters/drizzle.ts";
import { knexStore } from "../src/adapters/knex.ts";
import { kyselyStore } from "../src/adapters/kysely.ts";
import { mikroOrmStore } from "../src/adapters/mikro-orm.ts";
import {
  type PrismaClientLike,
  prismaStore,
  type PrismaTransaction,
} from "../src/adapters/prisma.ts";
import { typeormStore } from "../src/adapters/typeorm.ts";
import { inbox, once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import { type OutboxStore, pgStore, postgresStore } from "../src/outbox-store.ts";
import {
  databaseUrl,
  postgresDatabase,
  sqliteDatabase,
  type TestDatabase,
} from "./support/stores.ts";
import { until } from "./support/until.ts";

/** A library, with a transaction as its users begin one and a statement as they write it. */
interface Library<Tx> {
  readonly store: OutboxStore<Tx>;
  transaction(work: (tx: Tx) => Promise<void>): Promise<unknown>;
  insert(tx: Tx, text: string): Promise<unknown>;
  /** What is easily given in the place of a transaction. */
  readonly outside: unknown;
  close(): Promise<unknown>;
}

type Open = (database: TestDatabase) => Promise<Library<never>>;

/** Hides the type of its transactions, so that all fit into one list. */
function library<Tx>(
  open: (url: string, schema: string, file: string) => Promise<Library<Tx>>,
): Open {
  return async ({ connection: { url = "", schema = "", file = "" } }) =>
    (await open(url, schema, file)) as Library<never>;
}

const insertInto = (schema: string, text: string): string =>
  `INSERT INTO ${schema}.notes VALUES ('${text}')`;

interface GeneratedPrisma extends PrismaTransaction {
  $executeRawUnsafe(query: string): Promise<number>;
}
let createPrisma: (
  url: string,
) => PrismaClientLike<GeneratedPrisma> & { $disconnect(): Promise<void> };

const onPostgres: readonly (readonly [string, Open])[] = [
  [
    "pg",
    library<pg.PoolClient>(async (connectionString, schema) => {
      const pool = new pg.Pool({ connectionString });
      const store = pgStore<pg.PoolClient>({ pool, schema });
      return {
        store,
        transaction: (work) => store.transaction(work),
        insert: (tx, text) => tx.query(insertInto(schema, text)),
        outside: pool,
        close: () => pool.end(),
      };
    }),
  ],
  [
    "postgres",
    library<postgres.TransactionSql>(async (url, schema) => {
      const sql = postgres(url, { onnotice: () => {} });
      return {
        store: postgresStore<postgres.TransactionSql>({ sql, schema }),
        transaction: (work) => sql.begin((tx) => work(tx)),
        insert: async (tx, text) => tx.unsafe(insertInto(schema, text)),
        outside: sql,
        close: () => sql.end(),
      };
    }),
  ],
  [
    "Kysely",
    library<Transaction<object>>(async (connectionString, schema) => {
      const pool = new pg.Pool({ connectionString });
      const db = new Kysely<object>({ dialect: new PostgresDialect({ pool }) });
      return {
        store: kyselyStore({ db, schema, listen: pgListen(pool) }),
        transaction: (work) => db.transaction().execute(work),
        insert: (tx, text) => kyselySql.raw(insertInto(schema, text)).execute(tx),
        outside: db,
        close: () => db.destroy(),
      };
    }),
  ],
  [
    "Knex",
    library<Knex.Transaction>(async (connection, schema) => {
      const knex = createKnex({ client: "pg", connection });
      return {
        store: knexStore({ knex, schema }),
        transaction: (work) => knex.transaction(work),
        insert: async (tx, text) => tx.raw(insertInto(schema, text)),
        outside: knex,
        close: () => knex.destroy(),
      };
    }),
  ],
  [
    "Drizzle on pg",
    library<DrizzleExecutor>(async (connectionString, schema) => {
      const pool = new pg.Pool({ connectionString });
      const db = drizzleOnPg(pool);
      return {
        store: drizzleStore({ db, schema, listen: pgListen(pool) }),
        transaction: (work) => db.transaction(work),
        insert: async (tx, text) => tx.execute(drizzleSql.raw(insertInto(schema, text))),
        outside: db,
        close: () => pool.end(),
      };
    }),
  ],
  [
    "Drizzle on postgres",
    library<DrizzleExecutor>(async (url, schema) => {
      const client = postgres(url, { onnotice: () => {} });
      const db = drizzleOnPostgres(client);
      return {
        store: drizzleStore({ db, schema }),
        transaction: (work) => db.transaction(work),
        insert: async (tx, text) => tx.execute(drizzleSql.raw(insertInto(schema, text))),
        outside: db,
        close: () => client.end(),
      };
    }),
  ],
  [
    "Prisma",
    library<GeneratedPrisma>(async (url, schema) => {
      const prisma = createPrisma(url);
      return {
        store: prismaStore({ prisma, schema }),
        transaction: (work) => prisma.$transaction(work),
        insert: (tx, text) => tx.$executeRawUnsafe(insertInto(schema, text)),
        outside: prisma,
        close: () => prisma.$disconnect(),
      };
    }),
  ],
  [
    "TypeORM",
    library<EntityManager>(async (url, schema) => {
      const dataSource = await new DataSource({ type: "postgres", url }).initialize();
      return {
        store: typeormStore({ dataSource, schema }),
        transaction: (work) => dataSource.transaction(work),
        insert: (tx, text) => tx.query(insertInto(schema, text)),
        outside: dataSource.manager,
        close: () => dataSource.destroy(),
      };
    }),
  ],
  [
    "MikroORM",
    library<SqlEntityManager>(async (clientUrl, schema) => {
      const orm = await MikroORM.init({
        clientUrl,
        entities: [],
        discovery: { warnWhenNoEntities: false },
      });
      return {
        store: mikroOrmStore({ em: orm.em, schema }),
        transaction: (work) => orm.em.fork().transactional(work),
        insert: (tx, text) =>
          tx
            .getConnection()
            .execute(insertInto(schema, text), [], "all", tx.getTransactionContext()),
        outside: orm.em,
        close: () => orm.close(),
      };
    }),
  ],
];

const onSqlite: readonly (readonly [string, Open])[] = [
  [
    "Kysely",
    library<Transaction<object>>(async (_url, _schema, file) => {
      const database = new Database(file, { timeout: 2_000 });
      const db = new Kysely<object>({
        dialect: new SqliteDialect({ database: database as never }),
      });
      return {
        store: kyselyStore({ db, dialect: "sqlite" }),
        transaction: (work) => db.transaction().execute(work),
        insert: (tx, text) => kyselySql`INSERT INTO notes VALUES (${text})`.execute(tx),
        outside: db,
        close: () => db.destroy(),
      };
    }),
  ],
];

const all = [
  ...onPostgres.map(
    ([name, open]) => [`${name}, PostgreSQL`, open, () => postgresDatabase()] as const,
  ),
  ...onSqlite.map(([name, open]) => [`${name}, SQLite`, open, sqliteDatabase] as const),
];

beforeAll(async () => {
  const require = createRequire(import.meta.url);
  const schema = fileURLToPath(new URL("support/prisma/schema.prisma", import.meta.url));
  const cli = require.resolve("prisma/build/index.js");
  execFileSync(process.execPath, [cli, "generate", "--schema", schema], {
    stdio: "pipe",
    // Generating does not need the engine, which is not in the registry, but Prisma looks for it.
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" },
  });
  const generated = new URL("../.cache/prisma/client.ts", import.meta.url).href;
  const { PrismaClient } = (await import(/* @vite-ignore */ generated)) as {
    PrismaClient: new (options: object) => ReturnType<typeof createPrisma>;
  };
  createPrisma = (connectionString) =>
    new PrismaClient({ adapter: new PrismaPg({ connectionString }) });
  expect(databaseUrl()).toContain("postgres");
}, 60_000);

describe.each(all)("%s", (_name, open, createDatabase) => {
  let database: TestDatabase;
  let used: Library<never>;
  let bus: EventBus;
  const seen: unknown[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    await database.query("CREATE TABLE notes (text text)");
    used = await open(database);
    seen.length = 0;
    bus = createEventBus({ provider: localProvider(), plugins: [outbox({ store: used.store })] });
    const note = once<string, never>(
      async ({ id, data }, { tx }) => {
        await used.insert(tx, `handled ${id}`);
        seen.push(data);
      },
      { store: used.store },
    );
    bus.subscribe("a", note, { subscriberId: "notes", ordering: "key" });
    await bus.start();
  });

  afterEach(async () => {
    await bus.stop({ graceMs: 1_000 });
    await used.close();
    await database.close();
  });

  test("takes the caller's own transaction, and gives one to a handler", async () => {
    const rolledBack = used.transaction(async (tx) => {
      await used.insert(tx, "gone");
      await bus.withTransaction(tx).emit("a", "gone");
      throw new Error("rolled back");
    });
    await expect(rolledBack).rejects.toThrow("rolled back");
    await used.transaction(async (tx) => {
      await used.insert(tx, "kept");
      const options = { orderingKey: "k" };
      await bus.withTransaction(tx).emit([
        { name: "a", data: "it's", id: "1", options },
        { name: "a", data: "$1 ? é", id: "2", options },
      ]);
    });
    await until(() => seen.length === 2, "both events");
    await bus.emit({ name: "a", data: "again", id: "1" });
    await bus.settled();
    const notes = (await database.query("SELECT text FROM notes")).map(
      ({ text }) => text as string,
    );
    expect(new Set(notes)).toEqual(new Set(["handled 1", "handled 2", "kept"]));
    expect(notes).toHaveLength(3);
    expect(seen).toEqual(["it's", "$1 ? é"]);
  });

  test("refuses what is no transaction, and a transaction that has ended", async () => {
    let ended: unknown;
    await used.transaction(async (tx) => void (ended = tx));
    for (const given of [used.outside, ended]) {
      const emitted = (async () => bus.withTransaction(given).emit("a", "lost"))();
      await expect(emitted).rejects.toThrow();
    }
    await expect(
      (async () => bus.withTransaction(used.outside).emit("a", "lost"))(),
    ).rejects.toThrow(/withTransaction\(\) got a.*begin one/);
    const table = `${database.prefix}busbar_outbox`;
    expect(await database.query(`SELECT * FROM ${table}`)).toEqual([]);
    expect(seen).toEqual([]);
  });

  test("no error holds what was staged, nor how the database is reached", async () => {
    const secrets = watchSecrets(["card-4711", "it's", databaseUrl()]);
    const table = `${database.prefix}busbar_outbox`;
    const messages: string[] = [];
    const emit = async (): Promise<void> => {
      const message = { name: "a", data: { card: "it's \\ card-4711 - x" }, id: "1" };
      const emitted = used.transaction(async (tx) => {
        await bus.withTransaction(tx).emit({ ...message, metadata: { tenant: "card-4711" } });
      });
      const error: unknown = await emitted.catch((reason: unknown) => reason);
      secrets.look("emit", error);
      messages.push(inspect(error, { depth: 5 }));
    };
    await database.query(
      database.prefix === ""
        ? `CREATE TRIGGER no_cards BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'no_cards'); END`
        : `ALTER TABLE ${table} ADD CONSTRAINT no_cards CHECK (envelope NOT LIKE '%card-4711%')`,
    );
    await emit();
    await database.query(`DROP TABLE ${table}`);
    await emit();
    secrets.assertNone();
    // What is left says what is wrong.
    expect(messages).toEqual([
      expect.stringContaining("no_cards"),
      // The connection of libsql may still have the snapshot of the statement that was aborted.
      expect.stringMatching(/busbar_outbox"? does not exist|no such table|database is locked/),
    ]);
  });
});

describe.each(onPostgres)("%s, within the queues of the PostgreSQL provider", (_name, open) => {
  let database: TestDatabase;
  let schema: string;
  let used: Library<never>;
  let bus: EventBus;
  const seen: unknown[] = [];

  beforeEach(async () => {
    database = await postgresDatabase();
    await database.query("CREATE TABLE notes (text text)");
    schema = `${database.connection.schema}_bus`;
    used = await open(database);
    seen.length = 0;
    const { store } = used;
    bus = createEventBus({
      provider: postgresProvider({ store, schema }),
      plugins: [inbox({ store })],
    });
    const note: Subscriber<string> = async ({ id, data }, { tx }) => {
      await used.insert(tx as never, `handled ${id}`);
      seen.push(data);
    };
    bus.subscribe("a", note, { subscriberId: "notes" });
    await bus.start();
  });

  afterEach(async () => {
    await bus.stop({ graceMs: 1_000 });
    await used.close();
    await database.query(`DROP SCHEMA ${schema} CASCADE`);
    await database.close();
  });

  const notes = async (): Promise<readonly unknown[]> =>
    (await database.query("SELECT text FROM notes ORDER BY text")).map(({ text }) => text);

  test("delivers what a transaction emits once it commits, with one effect for each event", async () => {
    const rolledBack = used.transaction(async (tx) => {
      await used.insert(tx, "gone");
      await bus.withTransaction(tx).emit("a", "gone");
      throw new Error("rolled back");
    });
    await expect(rolledBack).rejects.toThrow("rolled back");
    await used.transaction(async (tx) => {
      await used.insert(tx, "kept");
      await bus.withTransaction(tx).emit([
        { name: "a", data: "it's", id: "1" },
        { name: "a", data: "$1 ? é :name \\ \0", id: "2" },
      ]);
      expect(seen).toEqual([]);
    });
    await until(() => seen.length === 2, "both events");
    await bus.emit({ name: "a", data: "again", id: "1" });
    await bus.settled();
    expect(new Set(seen)).toEqual(new Set(["it's", "$1 ? é :name \\ \0"]));
    expect(await notes()).toEqual(["handled 1", "handled 2", "kept"]);
  });

  test("stages a group within a transaction", async () => {
    const staged = (data: string) => ({ name: "a", data, metadata: { eventGroupId: "g" } });
    const rolledBack = used.transaction(async (tx) => {
      await bus.withTransaction(tx).emit(staged("gone"));
      throw new Error("rolled back");
    });
    await expect(rolledBack).rejects.toThrow("rolled back");
    await used.transaction(async (tx) => void (await bus.withTransaction(tx).emit(staged("kept"))));
    await bus.releaseGroupedEvents("g");
    await until(() => seen.length > 0, "the event of the group");
    await bus.settled();
    expect(seen).toEqual(["kept"]);
  });

  test("refuses what is no transaction, and a transaction that has ended", async () => {
    let ended: unknown;
    await used.transaction(async (tx) => void (ended = tx));
    for (const given of [used.outside, ended]) {
      const emitted = (async () => bus.withTransaction(given).emit("a", "lost"))();
      await expect(emitted).rejects.toThrow();
    }
    await expect(
      (async () => bus.withTransaction(used.outside).emit("a", "lost"))(),
    ).rejects.toThrow(/withTransaction\(\) got a.*begin one/);
    await bus.settled();
    expect(seen).toEqual([]);
  });
});
