import { AsyncLocalStorage } from "node:async_hooks";
import type { Delivery, Settlement } from "@busbar/core/provider";
import type { DeliveryFault } from "./faults.ts";

/** One for all providers: each costs every promise of the process something. */
const current = new AsyncLocalStorage<FaultyDelivery>();

/** One delivery to a handler, and what goes wrong in it. */
export class FaultyDelivery {
  readonly #provider: object;
  readonly #delivery: Delivery;
  readonly #fault: DeliveryFault | undefined;
  #pauses = 0;
  #crash: ((error: Error) => void) | undefined;

  constructor(provider: object, delivery: Delivery, fault: DeliveryFault | undefined) {
    this.#provider = provider;
    this.#delivery = delivery;
    this.#fault = fault;
  }

  /** The delivery of this provider that the caller is part of, if any. */
  static current(provider: object): FaultyDelivery | undefined {
    const faulty = current.getStore();
    return faulty && faulty.#provider === provider ? faulty : undefined;
  }

  /** Rejects when the process dies meanwhile. */
  run(deliver: (delivery: Delivery) => Promise<Settlement>): Promise<Settlement> {
    return current.run(this, () => this.#run(deliver));
  }

  /** Whether the process dies at this pause: then nothing after it happens. */
  crashesAtPause(): boolean {
    this.#pauses += 1;
    if (this.#fault?.type !== "crash" || this.#fault.at !== this.#pauses) return false;
    this.#crash?.(new Error("in the middle of"));
    return true;
  }

  async #run(deliver: (delivery: Delivery) => Promise<Settlement>): Promise<Settlement> {
    const delivery = this.#delivery;
    const fault = this.#fault;
    if (fault === undefined) return deliver(delivery);
    if (fault.type === "fail") return deliver(failing(delivery, fault));
    if (fault.at === "before") throw new Error("before the run of");
    const crashed = new Promise<never>((_, reject) => {
      this.#crash = reject;
    });
    await Promise.race([deliver(delivery), crashed]);
    throw new Error("after the run of");
  }
}

/**
 * A delivery whose run fails. Only the bus knows what follows from a failure, and all that a provider
 * can do is to make it happen: reading the data throws the error.
 */
function failing(
  delivery: Delivery,
  { error, applied }: Extract<DeliveryFault, { type: "fail" }>,
): Delivery {
  const envelope = {
    ...delivery.envelope,
    get data(): never {
      applied();
      throw error;
    },
  };
  return { ...delivery, envelope };
}
