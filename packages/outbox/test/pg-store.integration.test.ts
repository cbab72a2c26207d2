import { connect, createServer, type AddressInfo } from "node:net";
import pg from "pg";
import { expect, test } from "vitest";
import { pgStore } from "../src/stores/pg-store.ts";
import { databaseUrl } from "./support/stores.ts";

/** What PostgreSQL sends on the connections that it ends when it stops. */
const FATAL = message("E", "SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0");
/** The end of what opens a connection: it is idle, and ready for a statement. */
const READY = message("Z", "I");

function message(type: string, body: string): Buffer {
  const head = Buffer.from(`${type}....`);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

/** A way to the database that ends each connection in the packet that opens it. */
async function endingProxy(): Promise<{ url: string } & AsyncDisposable> {
  const database = new URL(databaseUrl());
  const server = createServer((client) => {
    const upstream = connect(Number(database.port || 5432), database.hostname);
    client.on("error", () => {}).on("data", (data) => void upstream.write(data));
    upstream
      .on("error", () => {})
      .on("data", (data) => {
        if (!data.subarray(-READY.length).equals(READY)) return client.write(data);
        upstream.destroy();
        return client.end(Buffer.concat([data, FATAL]));
      });
    client.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = Object.assign(new URL(database), { hostname: "127.0.0.1", port: String(port) });
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

test("a connection that ends in the packet that opened it rejects, and does not end the process", async () => {
  await using proxy = await endingProxy();
  const pool = new pg.Pool({ connectionString: proxy.url });
  pool.on("error", () => {});
  const store = pgStore<pg.PoolClient>({ pool });
  const uncaught: unknown[] = [];
  const listener = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtExceptionMonitor", listener);
  try {
    await expect(store.transaction(async () => {})).rejects.toThrow(/connection/i);
    await expect(
      store.listen?.(
        "a",
        () => {},
        () => {},
      ),
    ).rejects.toThrow(/connection/i);
  } finally {
    process.off("uncaughtExceptionMonitor", listener);
    await pool.end();
  }
  expect(uncaught).toEqual([]);
});
