import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import { onTestFinished } from "vitest";
import {
  testingProvider,
  type TestingProvider,
  type TestingProviderOptions,
} from "../../src/index.ts";

/** Makes and starts a bus on a provider of its own, and stops it when the test is over. */
export async function startBus(
  subscribe: (bus: EventBus) => void = () => {},
  options: TestingProviderOptions = {},
  busOptions: Partial<Omit<EventBusOptions, "events">> = {},
): Promise<{ readonly bus: EventBus; readonly provider: TestingProvider }> {
  const provider = testingProvider(options);
  const bus = createEventBus({ provider, ...busOptions });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  subscribe(bus);
  await bus.start();
  return { bus, provider };
}

export const mail = { subscriberId: "mail", attempts: 3, backoff: 1_000 };
