import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two parts that go through. */
const EVERY_MS = 10;
/** More characters than a length and what stands around it have. */
const MOST_DIGITS = 16;

/** What is wrong with a line to Redis. */
export interface LineFaults {
  /** How many bytes it takes in a millisecond; any number by default. */
  readonly bytesPerMs?: number;
  /** A command with a larger argument has its connection reset: what Redis says of it is overtaken. */
  readonly mostBytes?: number;
}

/** A line to Redis that has faults, and takes nothing once it is cut. */
export interface LineProxy {
  readonly url: string;
  /** How many connections there have been. */
  readonly connections: number;
  /** Nothing goes through any more, and nobody is told. */
  freeze(): void;
  close(): void;
}

/** Starts a proxy on a free port of this machine, before a Redis on another one. */
export async function createLineProxy(
  port: number,
  { bytesPerMs = 1_000_000, mostBytes = Number.POSITIVE_INFINITY }: LineFaults,
): Promise<LineProxy> {
  const part = bytesPerMs * EVERY_MS;
  const sockets = new Set<Socket>();
  let connections = 0;
  let isFrozen = false;

  async function pump(client: Socket, redis: Socket): Promise<void> {
    let tail = "";
    for await (const chunk of client as AsyncIterable<Buffer>) {
      const text = tail + chunk.toString("latin1");
      if (lengthsIn(text).some((bytes) => bytes > mostBytes)) {
        client.resetAndDestroy();
        return;
      }
      // A length may be cut in two.
      tail = text.slice(-MOST_DIGITS);
      for (let at = 0; at < chunk.length; at += part) {
        if (isFrozen) return;
        // What Redis has said last is on its way: a reset would overtake it.
        if (redis.destroyed) break;
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
    }
    client.on("close", () => redis.destroy());
    redis.on("close", () => client.end());
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

/** The lengths of the arguments that begin in a piece of Redis' protocol. */
function lengthsIn(text: string): readonly number[] {
  return [...text.matchAll(/\$(\d+)\r\n/g)].map(([, digits]) => Number(digits));
}
