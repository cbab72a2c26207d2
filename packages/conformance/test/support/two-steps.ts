import type {
  Delivery,
  Envelope,
  EventProvider,
  JsonValue,
  Settlement,
} from "@busbar/core/provider";
import { ACK } from "../../src/builders.ts";

/** Milliseconds between the two steps. */
const BETWEEN_MS = 50;

/** A provider that retries by publishing a copy, and acknowledges what it has copied in a second step. */
export function retriesInTwoSteps(inner: EventProvider): EventProvider {
  async function settled(
    delivery: Delivery,
    deliver: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<Settlement> {
    const { providerOptions, ...envelope } = delivery.envelope;
    const copied = providerOptions?.["state"];
    const state = delivery.state ?? copied;
    const settlement = await deliver({ ...delivery, envelope, state });
    if (settlement.type !== "retry") return settlement;
    const deadline = performance.now() + 1_000;
    await inner.publish([withState(envelope, settlement.state)], { deadline, inHandler: true });
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    return ACK;
  }

  return {
    ...inner,
    consume: (spec, deliver) => inner.consume(spec, (delivery) => settled(delivery, deliver)),
  };
}

function withState(envelope: Envelope, state: JsonValue): Envelope {
  return { ...envelope, providerOptions: { state } };
}
