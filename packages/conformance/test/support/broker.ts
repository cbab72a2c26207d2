import { randomUUID } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import {
  type ConsumeSpec,
  type Envelope,
  encodeEnvelope,
  type Settlement,
} from "@busbar/core/provider";
import { BrokerWorld, type Holder, type WorldOptions } from "./broker-world.ts";
import { type Frame, type Mistake, onLines, type Request } from "./broker-protocol.ts";

/** A silent client is taken for dead after this. */
const SILENCE_MS = 600;

/**
 * A broker that is as small as a broker can be, for tests of the suite: its store is the memory of the
 * test's process, which outlives the processes that the suite kills and the connections that it cuts.
 */
export class Broker {
  readonly #mistakes: ReadonlySet<Mistake>;
  readonly #worlds = new Map<string, BrokerWorld>();
  readonly #clients = new Set<Client>();
  #server: Server | undefined;
  port = 0;

  constructor(...mistakes: readonly Mistake[]) {
    this.#mistakes = new Set(mistakes);
  }

  async listen(): Promise<this> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as { port: number }).port;
    return this;
  }

  /** Ends all connections, and for a moment accepts none. */
  async restart(): Promise<void> {
    await this.#end();
    if (this.#mistakes.has("forgets on restart")) this.#worlds.clear();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.listen();
  }

  async close(): Promise<void> {
    await this.#end();
    for (const world of this.#worlds.values()) await world.stop();
  }

  async drop(namespace: string): Promise<void> {
    await this.#worlds.get(namespace)?.stop();
    this.#worlds.delete(namespace);
  }

  async #end(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) =>
      server ? server.close(() => resolve()) : resolve(),
    );
    for (const client of this.#clients) client.end();
    await closed;
  }

  #accept(socket: Socket): void {
    const client = new Client(socket, this.#mistakes, (namespace, options) => {
      const name = this.#mistakes.has("ignores namespaces") ? "all" : namespace;
      let world = this.#worlds.get(name);
      if (!world) {
        world = new BrokerWorld(options, this.#mistakes);
        this.#worlds.set(name, world);
      }
      return world;
    });
    this.#clients.add(client);
    socket.once("close", () => this.#clients.delete(client));
  }
}

type FindWorld = (namespace: string, options: WorldOptions) => BrokerWorld;

/** One connection, as the broker sees it. */
class Client {
  readonly #id = randomUUID();
  readonly #socket: Socket;
  readonly #mistakes: ReadonlySet<Mistake>;
  readonly #world: FindWorld;
  readonly #consumers = new Map<number, { close(options: { graceMs: number }): Promise<void> }>();
  readonly #inHand = new Map<number, Holder>();
  readonly #settlements = new Map<number, Settlement | null>();
  #joined: BrokerWorld | undefined;
  #leave: (() => void) | undefined;
  #lastDelivery = 0;
  #watch: NodeJS.Timeout | undefined;
  #gone = false;

  constructor(socket: Socket, mistakes: ReadonlySet<Mistake>, world: FindWorld) {
    this.#socket = socket;
    this.#mistakes = mistakes;
    this.#world = world;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.once("close", () => this.#lost());
    onLines(socket, (line) => {
      this.#hear(JSON.parse(line) as Request);
    });
    this.#listen();
  }

  end(): void {
    this.#socket.destroy();
    this.#lost();
  }

  #say(frame: Frame): void {
    if (!this.#gone) this.#socket.write(`${JSON.stringify(frame)}\n`);
  }

  #listen(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#lost(), SILENCE_MS);
    this.#watch.unref();
  }

  /** Whatever it had in hand has crashed. */
  #lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#watch);
    this.#leave?.();
    for (const consumer of this.#consumers.values()) void consumer.close({ graceMs: 600_000 });
    const settlement: Settlement | null = this.#mistakes.has("acks what a dead worker had")
      ? { type: "ack" }
      : this.#mistakes.has("counts no crashes")
        ? { type: "release" }
        : null;
    if (this.#mistakes.has("keeps what a dead worker had")) return;
    for (const run of this.#inHand.values()) run.settle(settlement);
    this.#inHand.clear();
  }

  #hear(request: Request): void {
    this.#listen();
    if (request.method === "settle") {
      this.#settle(...(request.args as [number, Settlement | null]));
      return;
    }
    this.#answer(request).then(
      (result) => this.#say({ type: "result", id: request.id, result }),
      (error: unknown) => this.#say({ type: "error", id: request.id, error: String(error) }),
    );
  }

  #settle(delivery: number, settlement: Settlement | null): void {
    this.#settlements.set(delivery, settlement);
    const waits = this.#mistakes.has("settles no delivery before all that it has in hand");
    if (waits && this.#settlements.size < this.#inHand.size) return;
    for (const [number, it] of this.#settlements) {
      this.#inHand.get(number)?.settle(it);
      this.#inHand.delete(number);
    }
    this.#settlements.clear();
  }

  async #answer({ method, args, now }: Request): Promise<unknown> {
    if (method === "ping") return null;
    if (method === "time") return Date.now();
    if (method === "hello") {
      const [namespace, options] = args as [string, WorldOptions];
      this.#joined = this.#world(namespace, options);
      this.#leave = this.#joined.join((report) => this.#say({ type: "report", report }));
      return null;
    }
    if (method === "settle event") {
      const [subscriptionId, id, settlement] = args as [string, string, Settlement | null];
      this.#joined?.holders.get(`${subscriptionId}:${id}`)?.settle(settlement);
      return null;
    }
    if (method === "consume") return this.#consume(...(args as [number, ConsumeSpec]));
    if (method === "close") {
      const [id, graceMs] = args as [number, number];
      await this.#consumers.get(id)?.close({ graceMs });
      this.#consumers.delete(id);
      return null;
    }
    if (
      method === "publish" &&
      this.#mistakes.has("forgets deduplicationIds with their connection")
    ) {
      const batch = (args[0] as readonly Envelope[]).map((it) => {
        return {
          ...it,
          deduplicationId: it.deduplicationId && `${it.deduplicationId} ${this.#id}`,
        };
      });
      return this.#joined?.call(method, [batch, ...args.slice(1)], now);
    }
    return this.#joined?.call(method, args, now);
  }

  async #consume(id: number, spec: ConsumeSpec): Promise<null> {
    const handle = await this.#joined?.consume(spec, (delivery) => {
      const number = ++this.#lastDelivery;
      const { envelope, state, crashes } = delivery;
      return new Promise<Settlement>((resolve, reject) => {
        const holder: Holder = {
          settle: (it) => (it ? resolve(it) : reject(new Error("crashed"))),
        };
        this.#inHand.set(number, holder);
        this.#joined?.holders.set(`${spec.subscriptionId}:${envelope.id}`, holder);
        if (this.#gone) {
          this.#inHand.delete(number);
          resolve({ type: "release" });
          return;
        }
        if (this.#mistakes.has("acks what it hands over")) resolve({ type: "ack" });
        if (this.#mistakes.has("ends leases of those who live")) {
          setTimeout(() => reject(new Error("Lease ended")), 1_000).unref();
        }
        const encoded = encodeEnvelope(envelope);
        this.#say({ type: "delivery", consumer: id, number, envelope: encoded, state, crashes });
      });
    });
    if (handle) this.#consumers.set(id, handle);
    if (this.#gone) void handle?.close({ graceMs: 0 });
    return null;
  }
}
