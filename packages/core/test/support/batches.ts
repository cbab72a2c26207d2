import type { EventProvider, SharedRates } from "../../src/provider.ts";
import type {
  BatchOptions,
  BatchSubscriber,
  SubscriberContext,
} from "../../src/contract/subscriber.ts";
import { memoryProvider, providerLike, type TestBus } from "./test-bus.ts";

type Options = Omit<SubscriberContext<BatchOptions>, "batch">;

/** Subscribes to "a" in batches, and notes the data of each. */
export function watchBatches(
  { bus }: TestBus,
  batch: BatchOptions,
  options: Options = {},
  handle: BatchSubscriber = () => {},
): unknown[][] {
  const batches: unknown[][] = [];
  const noted: BatchSubscriber = (events, context) => {
    batches.push(events.map(({ data }) => data));
    return handle(events, context);
  };
  bus.subscribe("a", noted, { subscriberId: "mail", ...options, batch });
  return batches;
}

export function emitMany({ bus }: TestBus, data: readonly unknown[]): Promise<readonly string[]> {
  return bus.emit(data.map((each) => ({ name: "a", data: each })));
}

export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

export async function deadData({ bus }: TestBus): Promise<unknown[]> {
  return (await bus.deadLetters.list()).items.map(({ event, reason }) => [event.data, reason]);
}

/** A provider in memory that says that it is durable. */
export function durableProvider(
  parts: { readonly rates?: SharedRates | undefined } = {},
): EventProvider {
  const inner = memoryProvider();
  return providerLike(inner, { ...parts, capabilities: { ...inner.capabilities, durable: true } });
}

/** A provider in memory that hands events over as if processes had ended with them before. */
export function crashingProvider(crashes: (data: unknown) => number): EventProvider {
  const inner = memoryProvider();
  return providerLike(inner, {
    consume: (spec, deliver) =>
      inner.consume(spec, (delivery) =>
        deliver({ ...delivery, crashes: crashes(delivery.envelope.data) }),
      ),
  });
}
