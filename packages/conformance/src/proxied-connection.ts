import { connect, type Socket } from "node:net";

/** What is on its way from one side to the other: bytes, or their end. */
interface Parcel {
  readonly data: Buffer | undefined;
  readonly dueAt: number;
}

/** A client of the proxy, and its connection to the broker unless it was silent from the start. */
export class ProxiedConnection {
  /** Fulfilled once nothing of it is open. */
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #target: Socket | undefined;
  /** `healed`: silent still, in a network that is no longer. */
  #state: "works" | "silent" | "healed";

  constructor(
    client: Socket,
    target: { readonly host: string; readonly port: number } | undefined,
    latencyMs: () => number,
  ) {
    this.#client = client;
    this.#target = target && connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#state = target ? "works" : "silent";
    const sides = [this.#client, this.#target].filter((it) => it !== undefined);
    this.closed = Promise.all(sides.map(whenClosed)).then(() => {});
    if (this.#target) {
      this.#forward(this.#client, this.#target, latencyMs);
      this.#forward(this.#target, this.#client, latencyMs);
    } else {
      this.#client.resume();
    }
    for (const side of sides) {
      side.on("error", () => this.#left(side));
      side.once("end", () => this.#left());
      side.once("close", () => this.#left(side));
    }
  }

  /** Ends both sides, as a crash does. */
  async reset(): Promise<void> {
    for (const side of [this.#client, this.#target]) {
      if (!side || side.destroyed) continue;
      // Node cannot reset what is being ended, and then says nothing more of it.
      if (side.connecting || side.writableEnded) side.destroy();
      else side.resetAndDestroy();
    }
    await this.closed;
  }

  /** Takes from now on what is sent, and says nothing. */
  silence(): void {
    this.#state = "silent";
    // Bytes that wait for room on the other side wait no more.
    this.#client.resume();
    this.#target?.resume();
  }

  /** One that is silent stays so, but that one side leaves is noticed by the other again. */
  async heal(): Promise<void> {
    if (this.#state !== "silent") return;
    this.#state = "healed";
    const sides = [this.#client, this.#target];
    if (sides.some((it) => it && (it.destroyed || it.readableEnded))) await this.reset();
  }

  /** A side has ended, or is gone. */
  #left(gone?: Socket): void {
    if (this.#state === "silent") return;
    if (this.#state === "healed") void this.reset();
    else if (gone) (gone === this.#client ? this.#target : this.#client)?.destroySoon();
  }

  #forward(from: Socket, to: Socket, latencyMs: () => number): void {
    const parcels: Parcel[] = [];
    let timer: NodeJS.Timeout | undefined;
    const pass = (data: Buffer | undefined): void => {
      if (this.#state !== "works" || to.destroyed) return;
      if (data === undefined) to.end();
      else if (!to.write(data)) from.pause();
    };
    const next = (): void => {
      timer = undefined;
      while (parcels[0] && parcels[0].dueAt <= performance.now()) pass(parcels.shift()?.data);
      if (parcels[0]) timer = setTimeout(next, parcels[0].dueAt - performance.now());
    };
    const send = (data: Buffer | undefined): void => {
      const dueAt = performance.now() + latencyMs();
      if (parcels.length === 0 && dueAt <= performance.now()) {
        pass(data);
        return;
      }
      // First in, first out: what is faster waits behind what is slower.
      parcels.push({ data, dueAt });
      timer ??= setTimeout(next, dueAt - performance.now());
    };
    from.on("data", send);
    from.once("end", () => send(undefined));
    to.on("drain", () => from.resume());
    to.once("close", () => clearTimeout(timer));
  }
}

function whenClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
