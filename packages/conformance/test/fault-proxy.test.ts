import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGate } from "../src/builders.ts";
import { ProxiedConnection } from "../src/proxied-connection.ts";
import { createFaultProxy, type FaultProxy } from "../src/fault-proxy.ts";

let echo: Echo;
let proxy: FaultProxy;

beforeEach(async () => {
  echo = await createEcho();
  proxy = await createFaultProxy({ host: "127.0.0.1", port: echo.port });
});

afterEach(async () => {
  await proxy.close();
  await echo.stop();
});

describe("a fault proxy", () => {
  test("passes on what is sent, and the end of it", async () => {
    const client = await dial(proxy.port);
    const sent = "x".repeat(5_000_000);
    client.socket.end(sent);
    await client.ended();
    expect(client.heard.length).toBe(sent.length);
    expect(echo.heard).toBe(sent.length);
    await client.closed();
    await eventually(() => proxy.connections === 0);
  });

  test("ends a connection when the broker does, and when there is none", async () => {
    const client = await dial(proxy.port);
    await client.hears("ping");
    await echo.stop();
    await client.closed();
    const another = await dial(proxy.port);
    await another.closed();
    echo = await createEcho(echo.port);
    await (await dial(proxy.port)).hears("it is back");
  });

  test("lets the broker know when a client is gone", async () => {
    const client = await dial(proxy.port);
    await client.hears("ping");
    client.socket.resetAndDestroy();
    await eventually(() => echo.sockets.size === 0);
  });

  test("cut resets every connection, and new ones until heal", async () => {
    const client = await dial(proxy.port);
    await client.hears("ping");
    await proxy.cut();
    await client.closed();
    await eventually(() => echo.sockets.size === 0);
    const during = await dial(proxy.port).catch(() => undefined);
    await during?.closed();
    expect(during?.heard ?? "").toBe("");
    expect(echo.sockets.size).toBe(0);
    await proxy.heal();
    await (await dial(proxy.port)).hears("on the same port");
  });

  test("halfOpen takes what is sent on open connections, and keeps them open", async () => {
    const client = await dial(proxy.port);
    await client.hears("before");
    const heardBefore = echo.heard;
    await proxy.halfOpen();
    // More than the buffers of sockets hold: it is taken, not held up.
    for (let count = 0; count < 100; count++) {
      await new Promise((resolve) => client.socket.write("x".repeat(100_000), resolve));
    }
    for (const socket of echo.sockets) socket.write("to nobody");
    await (await dial(proxy.port)).hears("new ones work");
    expect(client.heard).toBe("before");
    expect(echo.heard).toBe(heardBefore + "new ones work".length);
    expect(client.isClosed).toBe(false);
    expect(echo.sockets.size).toBe(2);
  });

  test("holds up a sender while nobody reads, but not one that is silent", async () => {
    const client = await dial(proxy.port);
    await client.hears("ping");
    for (const socket of echo.sockets) socket.pause();
    client.socket.write("x".repeat(20_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(client.socket.writableLength, "the proxy does not hoard").toBeGreaterThan(0);
    await proxy.halfOpen();
    await eventually(() => client.socket.writableLength === 0);
  });

  test("cut ends a connection also when what was sent on it cannot be written", async () => {
    const client = await dial(proxy.port);
    await client.hears("ping");
    for (const socket of echo.sockets) socket.pause();
    client.socket.write("x".repeat(20_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await proxy.cut();
    await client.closed();
  });

  test("halfOpen hides from either side that the other has gone, until heal", async () => {
    const [left, stays] = [await dial(proxy.port), await dial(proxy.port)];
    await left.hears("a");
    await stays.hears("b");
    await proxy.halfOpen();
    left.socket.resetAndDestroy();
    await (await dial(proxy.port)).hears("and some time later");
    expect(echo.sockets.size).toBe(3);
    await proxy.heal();
    await eventually(() => echo.sockets.size === 2);

    stays.socket.write("lost");
    await (await dial(proxy.port)).hears("still later");
    expect(stays.heard, "bytes are lost, so it cannot go on").toBe("b");
    expect(stays.isClosed).toBe(false);
    const before = echo.sockets.size;
    stays.socket.destroy();
    await eventually(() => echo.sockets.size === before - 1);
  });

  test("halfOpen can accept new connections and say nothing on them", async () => {
    await proxy.halfOpen({ newConnections: "silent" });
    const client = await dial(proxy.port);
    client.socket.write("hello?");
    await proxy.heal();
    await (await dial(proxy.port)).hears("again");
    expect([client.heard, client.isClosed]).toEqual(["", false]);
    expect(echo.sockets.size).toBe(1);
  });

  test("latency delays both directions, keeps order, and ends", async () => {
    proxy.latency(60);
    const client = await dial(proxy.port);
    const from = performance.now();
    await client.hears("slow");
    expect(performance.now() - from).toBeGreaterThanOrEqual(115);
    client.socket.write("first,");
    await eventually(() => echo.heard === "slowfirst,".length);
    proxy.latency(0);
    await client.hears("second");
    expect(client.heard).toBe("slowfirst,second");
    const again = performance.now();
    await client.hears("fast");
    expect(performance.now() - again).toBeLessThan(55);
  });

  test("close ends everything, also what is silent, and may be called twice", async () => {
    const [works, silent] = [await dial(proxy.port), await dial(proxy.port)];
    await silent.hears("a");
    await proxy.halfOpen();
    proxy.latency(10_000);
    works.socket.write("late");
    await Promise.all([proxy.close(), proxy.close()]);
    await proxy.close();
    await works.closed();
    await silent.closed();
    await expect(dial(proxy.port)).rejects.toThrow("ECONNREFUSED");
  });

  test("cut ends a connection of which one half is just being ended", async () => {
    const made = createGate();
    let ended: Promise<void> | undefined;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new ProxiedConnection(
        socket,
        { host: "127.0.0.1", port: echo.port },
        () => 0,
      );
      socket.once("end", () => {
        // Two ticks later Node has asked the system to end the other half, and has no answer yet.
        process.nextTick(() =>
          process.nextTick(() => {
            ended = connection.reset();
            made.open();
          }),
        );
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = await dial((server.address() as { port: number }).port);
    await client.hears("ping");
    client.socket.end();
    await made.opened;
    await ended;
    server.close();
  });

  test("needs a port and a time", async () => {
    for (const port of [0, 65_536, 1.5, Number.NaN]) {
      await expect(createFaultProxy({ port })).rejects.toThrow(TypeError);
    }
    for (const ms of [-1, Number.NaN, Infinity]) {
      expect(() => proxy.latency(ms)).toThrow(TypeError);
    }
  });
});

interface Echo {
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  /** Bytes. */
  readonly heard: number;
  stop(): Promise<void>;
}

async function createEcho(port = 0): Promise<Echo> {
  const sockets = new Set<Socket>();
  let heard = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => (heard += data.length));
    socket.once("close", () => sockets.delete(socket));
    socket.pipe(socket);
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    port: (server.address() as { port: number }).port,
    sockets,
    get heard() {
      return heard;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A client of the proxy, and what it has heard. */
async function dial(port: number) {
  const socket = connect({ port, host: "127.0.0.1" });
  let heard = "";
  let isClosed = false;
  let hasEnded = false;
  socket.on("data", (data) => (heard += data.toString()));
  socket.once("end", () => (hasEnded = true));
  socket.once("close", () => (isClosed = true));
  await once(socket, "connect");
  socket.on("error", () => {});
  return {
    socket,
    get heard() {
      return heard;
    },
    get isClosed() {
      return isClosed;
    },
    closed: () => eventually(() => isClosed),
    ended: () => eventually(() => hasEnded),
    /** Says something, and hears it. */
    async hears(text: string): Promise<void> {
      socket.write(text);
      await eventually(() => heard.endsWith(text));
    },
  };
}

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
