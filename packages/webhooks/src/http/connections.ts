import { createHash } from "node:crypto";
import { type buildConnector, Client } from "undici";
import type { ClientTls } from "./connector.ts";

/** Milliseconds that an unused connection stays open: less than the 5 seconds after which many servers close theirs. */
const KEEP_ALIVE_MS = 4_000;
/** Unused connections that stay open, to all destinations. Beyond, the one that was used first is closed. */
const MOST_UNUSED = 512;
/** Connectors that are kept. */
const MOST_CONNECTORS = 256;

/** A client of undici that has one connection, which one request has for itself. */
export interface Connection {
  readonly client: Client;
  readonly key: string;
}

/**
 * The connections to destinations: one for each request under way, and for a few seconds those that were used. A request
 * that fails takes its connection with it. A pool of undici would connect again then, to no purpose.
 */
export class Connections {
  readonly #connectorFor: (tls: ClientTls | undefined) => buildConnector.connector;
  /** By what they show and trust, so that sessions of TLS are resumed. The one made last is at the end. */
  readonly #connectors = new Map<string, buildConnector.connector>();
  /** Unused ones, the one used last at the end. */
  readonly #unused = new Set<Connection>();
  readonly #unusedOf = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();

  constructor(connectorFor: (tls: ClientTls | undefined) => buildConnector.connector) {
    this.#connectorFor = connectorFor;
  }

  /** Connections that are open or being opened. */
  get size(): number {
    return this.#all.size;
  }

  /** Returns the connection to an origin that was used last, or a new one. */
  take(origin: string, tls: ClientTls | undefined): Connection {
    const identity = tls ? fingerprint(tls) : "";
    const key = `${origin} ${identity}`;
    const found = this.#unusedOf.get(key)?.at(-1);
    if (found) {
      this.#forget(found);
      return found;
    }
    const connect = this.#connectorOf(identity, tls);
    const client = new Client(origin, {
      connect,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    });
    const connection = { client, key };
    this.#all.add(connection);
    client.on("disconnect", () => {
      if (this.#unused.has(connection)) this.drop(connection);
    });
    return connection;
  }

  /** Keeps a connection for another request. */
  giveBack(connection: Connection): void {
    if (!this.#all.has(connection)) return;
    // The other side, or the answer, has ended it already.
    if (!connection.client.stats.connected) {
      this.drop(connection);
      return;
    }
    this.#unused.add(connection);
    const siblings = this.#unusedOf.get(connection.key);
    if (siblings) siblings.push(connection);
    else this.#unusedOf.set(connection.key, [connection]);
    if (this.#unused.size <= MOST_UNUSED) return;
    const [first] = this.#unused;
    if (first) this.drop(first);
  }

  /** Closes a connection at once. */
  drop(connection: Connection): void {
    this.#forget(connection);
    this.#all.delete(connection);
    void connection.client.destroy();
  }

  /** Closes all of them. Requests that still run fail. */
  async close(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    this.#unused.clear();
    this.#unusedOf.clear();
    this.#connectors.clear();
    await Promise.all(all.map(({ client }) => client.destroy()));
  }

  #connectorOf(identity: string, tls: ClientTls | undefined): buildConnector.connector {
    const found = this.#connectors.get(identity);
    if (found) return found;
    const [first] = this.#connectors.keys();
    if (first !== undefined && this.#connectors.size >= MOST_CONNECTORS) {
      this.#connectors.delete(first);
    }
    const made = this.#connectorFor(tls);
    this.#connectors.set(identity, made);
    return made;
  }

  #forget(connection: Connection): void {
    if (!this.#unused.delete(connection)) return;
    const siblings = this.#unusedOf.get(connection.key) ?? [];
    const index = siblings.indexOf(connection);
    if (index !== -1) siblings.splice(index, 1);
    if (siblings.length === 0) this.#unusedOf.delete(connection.key);
  }
}

function fingerprint({ ca, cert, key }: ClientTls): string {
  const hash = createHash("sha256");
  for (const part of [ca, cert, key]) hash.update(JSON.stringify(part ?? null));
  return hash.digest("base64");
}
