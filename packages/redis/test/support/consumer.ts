import type { ConsumerHandle, ConsumeSpec, Delivery, Settlement } from "@busbar/core/provider";
import type { Consumers } from "../../src/consume/consumer.ts";
import type { Session } from "../../src/registry/session.ts";
import { eventually } from "./eventually.ts";
import { subscription } from "./test-session.ts";

export const ACK: Settlement = { type: "ack" };

/** What a consumer of a test was handed, and what is in its hands. */
export interface TestConsumer {
  readonly deliveries: readonly Delivery[];
  readonly ids: readonly string[];
  readonly inHand: number;
  readonly mostInHand: number;
  has(count: number, timeoutMs?: number): Promise<void>;
  close(graceMs?: number): Promise<void>;
}

/** Declares a subscription and consumes it. */
export async function consume(
  session: Session,
  consumers: Consumers,
  spec: Partial<ConsumeSpec>,
  decide: (delivery: Delivery, nth: number) => Settlement | Promise<Settlement> = () => ACK,
): Promise<TestConsumer> {
  const declared = subscription(spec.subscriptionId ?? "mail", spec);
  await session.registry.declare([declared]);
  const deliveries: Delivery[] = [];
  let [inHand, mostInHand] = [0, 0];
  const deliver = async (delivery: Delivery): Promise<Settlement> => {
    deliveries.push(delivery);
    inHand += 1;
    mostInHand = Math.max(mostInHand, inHand);
    const { id } = delivery.envelope;
    const nth = deliveries.filter(({ envelope }) => envelope.id === id).length;
    try {
      return await decide(delivery, nth);
    } finally {
      inHand -= 1;
    }
  };
  const full: ConsumeSpec = { ...declared, concurrency: spec.concurrency ?? 10 };
  const handle: ConsumerHandle = await consumers.consume(full, deliver);
  return {
    deliveries,
    get ids() {
      return deliveries.map(({ envelope }) => envelope.id);
    },
    get inHand() {
      return inHand;
    },
    get mostInHand() {
      return mostInHand;
    },
    has: (count, timeoutMs) =>
      eventually(() => {
        if (deliveries.length < count) throw new Error(`${deliveries.length} of ${count} came`);
      }, timeoutMs),
    close: (graceMs = 5_000) => handle.close({ graceMs }),
  };
}
