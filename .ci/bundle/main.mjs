// An application of every package, which ../bundles.mjs bundles into one file and runs.
import { createApp, PermanentError } from "@busbar/core";
import local from "@busbar/local";
import { outbox, pgStore, sqliteStore } from "@busbar/outbox";
import redis from "@busbar/redis";
import pg from "pg";
import * as receipts from "./receipts.mjs";

class Declined extends PermanentError {}

async function main() {
  const { REDIS_URL, SQLITE_FILE, DATABASE_URL } = process.env;
  const database = await openDatabase(SQLITE_FILE, DATABASE_URL);
  const app = await createApp(
    {
      name: `bundle-${process.pid}`,
      modules: [
        REDIS_URL ? { resolve: redis, options: { redisUrl: REDIS_URL } } : { resolve: local },
      ],
      subscribers: { modules: { receipts } },
      plugins: database ? [outbox({ store: database.store })] : [],
    },
    { signals: false },
  );
  const { bus } = app;
  bus.subscribe("order.placed", refuse, { subscriberId: "payments", attempts: 50 });
  const handled = new Promise((resolve) => bus.on("delivered", resolve));
  const dead = new Promise((resolve) => bus.on("dead", resolve));
  await app.start();
  const order = { orderId: "42" };
  if (database) {
    await database.store.transaction((tx) => bus.withTransaction(tx).emit("order.placed", order));
  } else {
    await bus.emit("order.placed", order);
  }
  await Promise.all([handled, dead]);
  console.log("dead:", (await bus.deadLetters.list()).items[0]?.reason);
  await app.stop();
  await database?.close();
}

function refuse() {
  throw new Declined("The card was declined");
}

async function openDatabase(file, connectionString) {
  if (connectionString) {
    const pool = new pg.Pool({ connectionString });
    return { store: pgStore({ pool }), close: () => pool.end() };
  }
  if (!file) return undefined;
  // It is compiled for one machine, so it stays outside of every bundle.
  const { default: Database } = await import("libsql");
  const connection = new Database(file);
  return { store: sqliteStore({ database: connection }), close: async () => connection.close() };
}

void main();
