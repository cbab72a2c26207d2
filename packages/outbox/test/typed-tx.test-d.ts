import {
  createApp,
  createEventBus,
  defineEvents,
  type DeliveryContext,
  type Event,
  type EventBus,
  type IEventBusModule,
  type SubscriberArgs,
  type TransactionContext,
} from "@busbar/core";
import { localProvider } from "@busbar/local";
import { drizzle } from "drizzle-orm/node-postgres";
import type { Knex } from "knex";
import type { Kysely, Transaction } from "kysely";
import type Database from "libsql";
import type pg from "pg";
import type { Sql, TransactionSql } from "postgres";
import type { DataSource, EntityManager } from "typeorm";
import { pgStore as pgSqlStore, type SqliteDatabase } from "@busbar/sql";
import { expectTypeOf, test } from "vitest";
import { drizzleStore } from "../src/adapters/drizzle.ts";
import { knexStore } from "../src/adapters/knex.ts";
import { kyselyStore } from "../src/adapters/kysely.ts";
import { prismaStore } from "../src/adapters/prisma.ts";
import { typeormStore } from "../src/adapters/typeorm.ts";
import { inbox, once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import { pgStore, postgresStore, sqliteStore } from "../src/outbox-store.ts";

declare const pool: pg.Pool;
const store = pgStore({ pool });
const provider = localProvider();

interface Order {
  readonly orderId: string;
}

test("a handler gets the transaction of the store, on a bus with and without types of events", () => {
  const bus = createEventBus({ provider, inbox: store });
  bus.subscribe<Order>("order.placed", async ({ data }, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
    await tx.query("INSERT INTO ledger VALUES ($1)", [data.orderId]);
  });
  const typed = createEventBus<{ "order.placed": Order }, { "order.placed": Order }, pg.PoolClient>(
    {
      provider,
      inbox: store,
    },
  );
  typed.subscribe("order.placed", ({ data }, { tx, attempt }) => {
    expectTypeOf(data).toEqualTypeOf<Order>();
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
    expectTypeOf(attempt).toEqualTypeOf<number>();
  });
  typed.withTransaction(null).subscribe("*", (_event, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
  });
  // What is asked for elsewhere is a bus, whatever its inbox is.
  const untyped: IEventBusModule = typed;
  const plain: EventBus = bus;
  void [untyped, plain];
});

test("a bus with a catalogue infers both", () => {
  const events = defineEvents({});
  const bus = createEventBus({ provider, events, inbox: store });
  bus.subscribe(Symbol("any"), (_event, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
  });
});

test("handlers are written apart from a bus", () => {
  const bus = createEventBus({ provider, inbox: store });
  const handle = (_event: Event<Order>, { tx }: TransactionContext<pg.PoolClient>): void =>
    void tx.query("");
  const other = (_event: Event<Order>, { tx }: TransactionContext<EntityManager>): void => void tx;
  const any = (_event: Event<Order>, { tx }: DeliveryContext): void => void tx;
  bus.subscribe("order.placed", handle).subscribe("order.placed", any);
  // @ts-expect-error the transaction of another driver
  bus.subscribe("order.placed", other);
  // @ts-expect-error a bus without an inbox has no transaction
  createEventBus({ provider }).subscribe("order.placed", handle);
  bus.subscribe("order.placed", once(handle, { store }));
  const file = ({ event, tx }: SubscriberArgs<Order, pg.PoolClient>): void => {
    expectTypeOf(event.data).toEqualTypeOf<Order>();
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
  };
  void createApp({ inbox: store, subscribers: { modules: { file: { default: file } } } });
});

test("outbox, once and inbox take the stores of @busbar/sql", () => {
  const plain = pgSqlStore({ pool });
  const handle = (_event: Event<Order>, { tx }: TransactionContext<pg.PoolClient>): void =>
    void tx.query("");
  const plugins = [outbox({ store: plain }), inbox({ store: plain })];
  createEventBus({ provider, plugins }).subscribe("order.placed", once(handle, { store: plain }));
  // @ts-expect-error only a store of the outbox makes an inbox
  createEventBus({ provider, inbox: plain });
});

test("the bus of an application has the inbox of the configuration", async () => {
  const app = await createApp({ inbox: store });
  app.bus.subscribe("order.placed", (_event, { tx }) => {
    expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>();
  });
});

test("without an inbox a transaction is of no known type, and may be missing", () => {
  createEventBus({ provider }).subscribe("a", (_event, context) => {
    expectTypeOf(context).toEqualTypeOf<DeliveryContext>();
  });
});

test("each store says what its transactions are", () => {
  interface Tables {
    readonly orders: { readonly id: string };
  }
  // A client of Prisma is generated, in this form.
  interface Prisma {
    readonly order: { create(): Promise<void> };
    $queryRawUnsafe<T>(query: string, ...values: unknown[]): Promise<T>;
    $transaction<T>(
      work: (tx: Omit<Prisma, "$transaction">) => Promise<T>,
      options?: { readonly timeout?: number },
    ): Promise<T>;
  }
  const check = (
    db: Kysely<Tables>,
    knex: Knex,
    dataSource: DataSource,
    sql: Sql,
    libsql: Database.Database,
    prisma: Prisma,
  ): void => {
    const orm = drizzle({ client: pool });
    createEventBus({ provider, inbox: kyselyStore({ db }) }).subscribe("a", (_event, { tx }) => {
      expectTypeOf(tx).toEqualTypeOf<Transaction<Tables>>();
    });
    createEventBus({ provider, inbox: knexStore({ knex }) }).subscribe("a", (_event, { tx }) => {
      expectTypeOf(tx).toEqualTypeOf<Knex.Transaction>();
    });
    createEventBus({ provider, inbox: typeormStore({ dataSource }) }).subscribe(
      "a",
      (_event, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<EntityManager>();
      },
    );
    createEventBus({ provider, inbox: postgresStore({ sql }) }).subscribe("a", (_event, { tx }) => {
      expectTypeOf(tx).toEqualTypeOf<TransactionSql>();
    });
    createEventBus({ provider, inbox: sqliteStore({ database: libsql }) }).subscribe(
      "a",
      (_event, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<Database.Database>();
      },
    );
    createEventBus({ provider, inbox: sqliteStore({ file: "shop.db" }) }).subscribe(
      "a",
      (_event, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<SqliteDatabase>();
      },
    );
    createEventBus({ provider, inbox: drizzleStore({ db: orm }) }).subscribe(
      "a",
      async (_event, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<Parameters<Parameters<typeof orm.transaction>[0]>[0]>();
      },
    );
    createEventBus({ provider, inbox: prismaStore({ prisma }) }).subscribe(
      "a",
      (_event, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<Omit<Prisma, "$transaction">>();
      },
    );
  };
  void check;
});
