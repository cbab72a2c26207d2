import { EventEmitter } from "node:events";
import { onTestFinished } from "vitest";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import {
  createMemoryProvider,
  type MemoryProvider,
  type MemoryProviderOptions,
} from "../../src/memory/memory-provider.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";
import { createRecordingLogger, type RecordingLogger } from "./recording-logger.ts";

/** A bus on a clock that stands still, and what a test needs to steer and to watch it. */
export interface TestBus {
  readonly bus: EventBus;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
}

export type TestBusOptions = Partial<Omit<EventBusOptions, "clock" | "logger" | "events">> & {
  /** Jitter takes nothing off by default. */
  readonly random?: () => number;
};

/** Makes a bus that is stopped when the test is over. */
export function createTestBus(options: TestBusOptions = {}): TestBus {
  const clock = createManualClock();
  const logger = createRecordingLogger();
  const bus = createEventBus({
    provider: memoryProvider(),
    random: () => 0,
    ...options,
    clock,
    logger,
  });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  return { bus, clock, logger };
}

/** Makes a bus and starts it. */
export async function startTestBus(options?: TestBusOptions): Promise<TestBus> {
  const test = createTestBus(options);
  await test.bus.start();
  return test;
}

export function memoryProvider(options: Partial<MemoryProviderOptions> = {}): MemoryProvider {
  return createMemoryProvider({ name: "memory", channel: new EventEmitter(), ...options });
}

/** A provider that differs from another one in the members given. */
export function providerLike<T extends EventProvider>(
  inner: T,
  members: Partial<EventProvider>,
): EventProvider {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    start: (context) => inner.start(context),
    publish: (batch, options) => inner.publish(batch, options),
    consume: (spec, deliver) => inner.consume(spec, deliver),
    stop: (options) => inner.stop(options),
    subscriptions: inner.subscriptions,
    admin: inner.admin,
    groups: inner.groups,
    ...members,
  };
}

/** A promise, and the means to settle it from outside. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
