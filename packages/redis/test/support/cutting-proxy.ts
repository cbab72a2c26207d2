import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to Redis that ends once, in the middle of what is sent. */
export interface CuttingProxy {
  readonly url: string;
  /** The connection that sends next is cut after that many commands. */
  cutAfter(commands: number): void;
  close(): void;
}

/** Starts a proxy on a free port of this machine, before a Redis on another one. */
export async function createCuttingProxy(port: number): Promise<CuttingProxy> {
  /** How many commands more go through; and what was sent since that is known. */
  let left: number | undefined;
  let sent = "";
  const sockets = new Set<Socket>();

  const server: Server = createServer((client) => {
    const redis = connect(port, "127.0.0.1");
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, redis].forEach((each) => each.destroy()));
    }
    client.on("data", (data) => {
      if (left === undefined) {
        redis.write(data);
        return;
      }
      const before = sent.length;
      sent += data.toString("latin1");
      // A command begins with the number of its arguments.
      const next = [...sent.matchAll(/\*\d+\r\n\$/g)][left];
      if (next === undefined) {
        redis.write(data);
        return;
      }
      left = undefined;
      redis.end(data.subarray(0, Math.max(next.index - before, 0)));
    });
    redis.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { readonly port: number };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    cutAfter(commands) {
      left = commands;
      sent = "";
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
