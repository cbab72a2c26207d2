import type { Clock, Timer } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { Delivery, Settlement } from "../contract/provider.ts";

/** What a store or a broker hands out: a delivery, and the proof that this process has it. */
export interface PolledDelivery<Token> {
  /** The proof that this process has the delivery, such as a lease or a delivery tag. */
  readonly token: Token;
  /** What to hand to the bus. */
  readonly delivery: Delivery;
}

/** What the two kinds of consumers do with deliveries that they have. */
export interface InHandOptions<Token> {
  /** The clock that the provider got from the bus. */
  readonly clock: Clock;
  /** Where failures of the store or the broker are logged. */
  readonly logger: Logger;
  /** From `consume`. */
  readonly deliver: (delivery: Delivery) => Promise<Settlement>;
  /** Does what the bus said, in one step. A rejection is logged: the delivery will come again. */
  settle(token: Token, settlement: Settlement): Promise<void>;
  /**
   * Takes back a delivery for which `deliver` rejected, and counts the crash. Without it the end of
   * its lease does both.
   */
  crash?(token: Token): Promise<void>;
  /** Hands deliveries back, not counted: for `close`. Without it each is settled as `release`. */
  release?: ((tokens: readonly Token[]) => Promise<void>) | undefined;
  /** Renews the leases of what is in hand. */
  extend?(tokens: readonly Token[]): Promise<void>;
  /** Milliseconds between two calls of `extend`; a third of the lease is a good choice. */
  readonly extendEveryMs?: number | undefined;
}

/** A delivery that is held, and the way to run it. */
export interface HeldDelivery<Token> {
  readonly token: Token;
  /** Runs and settles it. Resolves with how it was settled; with undefined if it was not. */
  run(): Promise<Settlement | undefined>;
}

/** The deliveries that a consumer has: runs and settles them, renews their leases, hands back the rest. */
export class InHand<Token> {
  readonly #options: InHandOptions<Token>;
  /** One object per hand-over: a store may use a token again. */
  readonly #held = new Set<HeldDelivery<Token>>();
  #running = 0;
  #isClosed = false;
  #extendTimer: Timer | undefined;

  constructor(options: InHandOptions<Token>) {
    this.#options = options;
    this.#extendLater();
  }

  /** Deliveries that are held, whether or not they run. */
  get size(): number {
    return this.#held.size;
  }

  /** Runs that have not ended, also of deliveries that are held no more. */
  get running(): number {
    return this.#running;
  }

  /** Holds a delivery from now on. */
  hold({ token, delivery }: PolledDelivery<Token>): HeldDelivery<Token> {
    const held: HeldDelivery<Token> = { token, run: () => this.#run(held, delivery) };
    this.#held.add(held);
    return held;
  }

  /** Forgets all that is held, since it is lost: what its runs end with is not settled. */
  forget(): void {
    this.#held.clear();
  }

  /** Hands back deliveries that have not run. */
  async giveBack(unused: readonly HeldDelivery<Token>[]): Promise<void> {
    for (const held of unused) this.#held.delete(held);
    await this.release(unused.map(({ token }) => token));
  }

  /** Hands back all that is held. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const left = this.#tokens();
    this.#held.clear();
    this.#extendTimer?.cancel();
    await this.release(left);
  }

  /** Hands deliveries back, not counted. */
  async release(tokens: readonly Token[]): Promise<void> {
    const options = this.#options;
    if (tokens.length === 0) return;
    try {
      if (options.release) await options.release(tokens);
      else await Promise.all(tokens.map((it) => options.settle(it, { type: "release" })));
    } catch (err) {
      const message = "Deliveries could not be handed back; they will come again";
      options.logger.warn({ err }, message);
    }
  }

  async #run(held: HeldDelivery<Token>, delivery: Delivery): Promise<Settlement | undefined> {
    const options = this.#options;
    const { token } = held;
    this.#running += 1;
    try {
      const settlement = await this.#deliver(delivery);
      // Handed back or lost meanwhile: it is somebody else's now.
      if (!this.#held.has(held)) return undefined;
      if (settlement) await options.settle(token, settlement);
      else await options.crash?.(token);
      return settlement;
    } catch (err) {
      options.logger.warn({ err }, "A delivery could not be settled; it will come again");
      return undefined;
    } finally {
      this.#running -= 1;
      this.#held.delete(held);
    }
  }

  async #deliver(delivery: Delivery): Promise<Settlement | undefined> {
    try {
      return await this.#options.deliver(delivery);
    } catch (err) {
      const message = "A delivery ended without a settlement; it will come again";
      this.#options.logger.warn({ err }, message);
      return undefined;
    }
  }

  #extendLater(): void {
    const { clock, extendEveryMs } = this.#options;
    if (extendEveryMs === undefined) return;
    this.#extendTimer = clock.setTimeout(() => void this.#extend(), extendEveryMs);
  }

  async #extend(): Promise<void> {
    const options = this.#options;
    try {
      if (this.#held.size > 0) await options.extend?.(this.#tokens());
    } catch (err) {
      options.logger.warn({ err }, "Leases could not be renewed; will try again");
    }
    if (!this.#isClosed) this.#extendLater();
  }

  #tokens(): readonly Token[] {
    return Array.from(this.#held, ({ token }) => token);
  }
}
