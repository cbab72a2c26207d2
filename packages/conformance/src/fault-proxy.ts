import { createServer, type Server, type Socket } from "node:net";
import { ProxiedConnection } from "./proxied-connection.ts";

/** Options of {@link createFaultProxy}. */
export interface FaultProxyOptions {
  /**
   * Where the broker is.
   *
   * @default "127.0.0.1"
   */
  readonly host?: string | undefined;
  /** The broker's port. */
  readonly port: number;
}

/** What becomes of new connections while those that are open have gone silent. */
export interface HalfOpenOptions {
  /**
   * `work`: they reach the broker, as after a firewall has forgotten the old ones. `silent`: they are
   * accepted and hear nothing, as from a broker that hangs.
   *
   * @default "work"
   */
  readonly newConnections?: "work" | "silent" | undefined;
}

/**
 * A TCP proxy that breaks connections as networks do. Its `cut`, `halfOpen` and `heal` are the
 * faults that a harness needs, and may be passed on as they are.
 */
export interface FaultProxy extends AsyncDisposable {
  /** Where the proxy listens: `127.0.0.1`. */
  readonly host: string;
  /** The port for the provider under test. It stays the same, whatever is cut and healed. */
  readonly port: number;
  /** Connections that are open on the side of the provider. */
  readonly connections: number;
  /** Resets every connection, and each new one at once, until `heal`. */
  cut(): Promise<void>;
  /**
   * Lets every connection that is open go silent: what is sent on it, in either direction, is taken
   * and goes nowhere, and it stays open whatever the other side does.
   */
  halfOpen(options?: HalfOpenOptions): Promise<void>;
  /**
   * Lets new connections work again. What has gone silent has lost bytes and stays silent: who has
   * such a connection has to notice.
   */
  heal(): Promise<void>;
  /** Delays what is sent from now on by so many milliseconds, in each direction. 0 ends that. */
  latency(ms: number): void;
  /** Ends every connection and the proxy itself. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts a proxy in front of a broker, on a port of its own. What it was started for stays the
 * caller's: a broker that restarts is reached again by new connections.
 *
 * @throws TypeError when the port is none.
 *
 * @example
 * ```ts
 * const proxy = await createFaultProxy({ port: 6_379 });
 * const { cut, halfOpen, heal } = proxy;
 * const faults = { connection: true, module, options: { port: proxy.port }, restart, cut, halfOpen, heal };
 * ```
 */
export async function createFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { host = "127.0.0.1", port } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TypeError(`A fault proxy needs the port of a broker, 1 to 65535, not ${port}`);
  }
  const connections = new Set<ProxiedConnection>();
  let mode: "works" | "cut" | "silent" = "works";
  let latencyMs = 0;

  function accept(client: Socket): void {
    if (mode === "cut") {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const target = mode === "silent" ? undefined : { host, port };
    const connection = new ProxiedConnection(client, target, () => latencyMs);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  await listening(server);
  let closing: Promise<void> | undefined;

  const proxy: FaultProxy = {
    host: "127.0.0.1",
    port: (server.address() as { readonly port: number }).port,
    get connections() {
      return connections.size;
    },
    async cut() {
      mode = "cut";
      await Promise.all(Array.from(connections, (it) => it.reset()));
    },
    async halfOpen({ newConnections = "work" } = {}) {
      mode = newConnections === "silent" ? "silent" : "works";
      for (const it of connections) it.silence();
    },
    async heal() {
      mode = "works";
      await Promise.all(Array.from(connections, (it) => it.heal()));
    },
    latency(ms) {
      if (!(ms >= 0 && ms < 2 ** 31)) throw new TypeError(`latency needs milliseconds, not ${ms}`);
      latencyMs = ms;
    },
    close() {
      closing ??= (async () => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        await proxy.cut();
        await closed;
      })();
      return closing;
    },
    [Symbol.asyncDispose]: () => proxy.close(),
  };
  return proxy;
}

async function listening(server: Server): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}
