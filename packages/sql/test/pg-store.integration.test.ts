import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import pg from "pg";
import { expect, test } from "vitest";
import { pgListen, pgStore } from "../src/stores/pg-store.ts";
import { databaseUrl } from "./support/databases.ts";

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

test("a statement that its connection has prepared no longer is carried out all the same", async () => {
  const pool = new pg.Pool({ connectionString: databaseUrl(), max: 1 });
  const store = pgStore<pg.PoolClient>({ pool });
  const next = async (number: number): Promise<unknown> => {
    const text = "SELECT CAST($1 AS integer) + 1 AS next";
    return (await store.execute(text, [number], { isFrequent: true }))[0]?.["next"];
  };
  expect(await next(1)).toBe(2);
  const prepared = await pool.query("SELECT name FROM pg_prepared_statements");
  expect(prepared.rows).toHaveLength(1);
  // As with a pooler that gives each transaction another connection of the server.
  await pool.query("DEALLOCATE ALL");
  expect(await next(2)).toBe(3);
  expect(await next(3)).toBe(4);
  await pool.end();
});

/** A way to the tests' PostgreSQL that can go silent without ending its connections. */
async function startProxy(): Promise<{
  readonly url: string;
  readonly freeze: () => void;
  readonly close: () => void;
}> {
  const to = new URL(databaseUrl());
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const other = connect(Number(to.port), to.hostname);
    for (const each of [socket, other]) each.on("error", () => {});
    socket.pipe(other);
    other.pipe(socket);
    socket.on("close", () => other.destroy());
    sockets.push(socket, other);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(to);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze: () => {
      for (const each of sockets.splice(0)) each.unpipe().pause();
    },
    close: () => void server.close(),
  };
}

test("a connection that does not answer is given up in time, and the next one works", async () => {
  const { url, freeze, close } = await startProxy();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on("error", () => {});
  const store = pgStore<pg.PoolClient>({ pool });
  const ask = (): Promise<unknown> => store.execute("SELECT 1 AS one", [], { answerWithinMs: 300 });
  await ask();
  freeze();
  await expect(ask()).rejects.toThrow("did not answer within 300 ms");
  expect(await ask()).toEqual([{ one: 1 }]);
  await store.transaction(async () => {}, { answerWithinMs: 300 });
  freeze();
  const late = store.transaction(async () => {}, { answerWithinMs: 300 });
  await expect(late).rejects.toThrow("did not answer within 300 ms");
  expect(await ask()).toEqual([{ one: 1 }]);
  await pool.end();
  close();
});

test("a listener whose connection has gone silent is told of it", async () => {
  const { url, freeze, close } = await startProxy();
  const pool = new pg.Pool({ connectionString: url });
  pool.on("error", () => {});
  const lost = new Promise<unknown>((resolve, reject) => {
    pgListen(pool, { checkEveryMs: 100 })("silent", () => {}, resolve).then(freeze, reject);
  });
  expect(String(await lost)).toContain("did not answer within 100 ms");
  await pool.end();
  close();
});

test("a listener whose connection never answers at all is told of it", async () => {
  const { url, freeze, close } = await startProxy();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on("error", () => {});
  await pool.query("SELECT 1");
  freeze();
  const listening = pgListen(pool, { checkEveryMs: 100 })(
    "silent",
    () => {},
    () => {},
  );
  await expect(listening).rejects.toThrow("did not answer within 100 ms");
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  await pool.end();
  close();
});
