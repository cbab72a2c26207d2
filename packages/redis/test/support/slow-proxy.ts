import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two parts that go through. */
const EVERY_MS = 10;

/** A line to Redis that takes so many bytes in a millisecond, and none once it is cut. */
export interface SlowProxy {
  readonly url: string;
  /** How many connections there have been. */
  readonly connections: number;
  /** Nothing goes through any more, and nobody is told. */
  freeze(): void;
  close(): void;
}

/** Starts a proxy on a free port of this machine, before a Redis on another one. */
export async function createSlowProxy(port: number, bytesPerMs: number): Promise<SlowProxy> {
  const part = bytesPerMs * EVERY_MS;
  const sockets = new Set<Socket>();
  let connections = 0;
  let isFrozen = false;

  async function pump(client: Socket, redis: Socket): Promise<void> {
    for await (const chunk of client as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += part) {
        if (isFrozen) return;
        redis.write(chunk.subarray(at, at + part));
        await sleep((EVERY_MS * Math.min(part, chunk.length - at)) / part);
      }
    }
  }

  const server = createServer({ highWaterMark: part }, (client) => {
    connections += 1;
    const redis = connect(port, "127.0.0.1");
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, redis].forEach((each) => each.destroy()));
    }
    redis.pipe(client);
    pump(client, redis).catch(() => redis.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { readonly port: number };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    get connections() {
      return connections;
    },
    freeze() {
      isFrozen = true;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
