import { AsyncLocalStorage } from "node:async_hooks";
import type { ConsumeSpec, Deliver, EventProvider } from "@busbar/core/provider";

/** Delivers each event twice, and knows which deliveries are the second ones. */
export interface Repeater {
  /** Puts a provider around another one: what is acknowledged is delivered once more, as after a crash. */
  wrap(provider: EventProvider): EventProvider;
  /** Whether the second delivery of an event to a subscription runs now. */
  isAgain(subscriberId: string, eventId: string): boolean;
  /** The subscription in whose second delivery the caller is. */
  subscriberAgain(): string | undefined;
}

/**
 * Makes a {@link Repeater}. The second delivery decides what becomes of the event: if it fails, the event is delivered
 * again, as any event that fails.
 */
export function createRepeater(): Repeater {
  const running = new Set<string>();
  const second = new AsyncLocalStorage<string>();

  const twice =
    ({ subscriptionId }: ConsumeSpec, deliver: Deliver): Deliver =>
    async (delivery) => {
      const settlement = await deliver(delivery);
      if (settlement.type !== "ack") return settlement;
      const key = keyOf(subscriptionId, delivery.envelope.id);
      running.add(key);
      try {
        return await second.run(subscriptionId, () => deliver(delivery));
      } finally {
        running.delete(key);
      }
    };

  return {
    wrap: (provider) =>
      withMember(provider, "consume", (spec, deliver) =>
        provider.consume(spec, twice(spec, deliver)),
      ),
    isAgain: (subscriberId, eventId) => running.has(keyOf(subscriberId, eventId)),
    subscriberAgain: () => second.getStore(),
  };
}

function keyOf(subscriberId: string, eventId: string): string {
  return `${eventId} ${subscriberId}`;
}

/** An object that differs from another one in one member. Its methods are called on the other one. */
function withMember<T extends object, Name extends keyof T>(
  inner: T,
  name: Name,
  member: T[Name],
): T {
  // Not around the other one: a proxy may not change what is frozen.
  return new Proxy({} as T, {
    has: (_, key) => key in inner,
    get(_, key) {
      if (key === name) return member;
      const value: unknown = Reflect.get(inner, key, inner);
      return typeof value === "function" ? (value.bind(inner) as unknown) : value;
    },
  });
}
