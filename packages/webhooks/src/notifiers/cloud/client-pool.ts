import { HttpFault } from "../../http/http-fault.ts";

/** A client of a pool, while somebody uses it. */
export interface Lease<Client> {
  readonly client: Client;
  /**
   * Gives the client back.
   *
   * @param isBroken Nobody gets it again: it is closed as soon as nobody uses it.
   */
  readonly release: (isBroken: boolean) => void;
}

/** A client, and how many use it. */
interface Kept<Client> {
  readonly client: Promise<Client>;
  users: number;
  /** Closes the client if it stays unused. */
  idle: NodeJS.Timeout | undefined;
  isDropped: boolean;
}

/** Clients that stay open. Beyond, the one that was used first and is unused now is closed. */
const MOST_CLIENTS = 64;
/** Milliseconds that an unused client stays open. */
const IDLE_MS = 60_000;

/** Clients of a library, which many deliveries use at once: one for each key. */
export class ClientPool<Client> {
  readonly #close: (client: Client) => unknown;
  /** By key, the one used last at the end. */
  readonly #kept = new Map<string, Kept<Client>>();
  readonly #closing = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(close: (client: Client) => unknown) {
    this.#close = close;
  }

  /**
   * Returns the client of a key, which is opened if there is none.
   *
   * @throws HttpFault `interrupted` when the pool is closed.
   */
  async take(key: string, open: () => Promise<Client>): Promise<Lease<Client>> {
    if (this.#isClosed) throw closed();
    const kept = this.#kept.get(key) ?? {
      client: open(),
      users: 0,
      idle: undefined,
      isDropped: false,
    };
    clearTimeout(kept.idle);
    kept.users += 1;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    if (this.#kept.size > MOST_CLIENTS) this.#closeUnused();
    const release = (isBroken: boolean): void => this.#release(key, kept, isBroken);
    try {
      const client = await kept.client;
      if (this.#isClosed) throw closed();
      return { client, release };
    } catch (error) {
      release(true);
      throw error;
    }
  }

  /** Closes all clients, also those that are in use. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [key, kept] of this.#kept) this.#drop(key, kept);
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  #release(key: string, kept: Kept<Client>, isBroken: boolean): void {
    kept.users -= 1;
    if (isBroken && this.#kept.get(key) === kept) this.#kept.delete(key);
    if (kept.users > 0) return;
    if (this.#kept.get(key) !== kept) {
      this.#drop(key, kept);
      return;
    }
    kept.idle = setTimeout(() => this.#drop(key, kept), IDLE_MS).unref();
  }

  #closeUnused(): void {
    for (const [key, kept] of this.#kept) {
      if (kept.users > 0) continue;
      this.#drop(key, kept);
      return;
    }
  }

  #drop(key: string, kept: Kept<Client>): void {
    if (kept.isDropped) return;
    kept.isDropped = true;
    clearTimeout(kept.idle);
    if (this.#kept.get(key) === kept) this.#kept.delete(key);
    const closing = kept.client
      .then((client) => this.#close(client))
      // What could not be opened or closed is of no use to anybody any more.
      .catch(() => {})
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

function closed(): HttpFault {
  return new HttpFault("interrupted", "The notifier is closed");
}
