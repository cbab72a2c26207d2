import { EventEmitter } from "node:events";
import type {
  ConsumerHandle,
  ConsumeSpec,
  Delivery,
  Envelope,
  EventProvider,
  Settlement,
} from "@busbar/core/provider";
import {
  createMemoryProvider,
  type DeliveryChannel,
  type MemoryProvider,
} from "@busbar/core/memory";
import type { ProviderHarness, ProviderRequest } from "../../src/harness.ts";

/** Short limits: a case that a mistake lets wait in vain need not wait for long. */
export const HASTY = { patience: 0.05, quietMs: 30 };

type Spec = Omit<ConsumeSpec, "concurrency">;
type Deliver = (delivery: Delivery) => Promise<Settlement>;

export function memoryProvider(
  request: Partial<ProviderRequest> = {},
  channel: DeliveryChannel = new EventEmitter(),
): MemoryProvider {
  const { maxPending, deduplicationWindowMs } = request;
  return createMemoryProvider({ name: "memory", channel, maxPending, deduplicationWindowMs });
}

/** A provider that differs from another one in the members given. */
export function like(inner: MemoryProvider, members: Partial<EventProvider>): EventProvider {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    start: (context) => inner.start(context),
    publish: (batch, options) => inner.publish(batch, options),
    consume: (spec, deliver) => inner.consume(spec, deliver),
    stop: (options) => inner.stop(options),
    subscriptions: inner.subscriptions,
    admin: inner.admin,
    schedules: inner.schedules,
    probe: () => inner.probe(),
    ...members,
  };
}

/** The memory provider with a mistake. */
export function faulty(
  change: (inner: MemoryProvider) => Partial<EventProvider>,
  channel?: () => DeliveryChannel,
): ProviderHarness {
  return {
    create: (request) => {
      const inner = memoryProvider(request, channel?.());
      return like(inner, change(inner));
    },
    adjusts: ["maxPending", "deduplicationWindowMs"],
    timing: HASTY,
  };
}

/** The memory provider as it is. */
export function flawless(timing: ProviderHarness["timing"]): ProviderHarness {
  return { ...faulty(() => ({})), timing };
}

/** The memory provider with a fan-out that makes a mistake. */
export function faultyFanOut(
  emit: (channel: EventEmitter, subscriptionId: string, envelope: Envelope) => void,
): ProviderHarness {
  return faulty(
    () => ({}),
    () => {
      const channel = new EventEmitter();
      return {
        on: (id, listener) => channel.on(id, listener),
        off: (id, listener) => channel.off(id, listener),
        emit: (id, envelope) => emit(channel, id, envelope),
      };
    },
  );
}

/** Changes what a handler is given, or what is made of its settlement. */
export function faultyDelivery(
  change: (deliver: Deliver, spec: ConsumeSpec, inner: MemoryProvider) => Deliver,
): ProviderHarness {
  return faulty((inner) => ({
    consume: (spec, deliver) => inner.consume(spec, change(deliver, spec, inner)),
  }));
}

/** Changes the envelopes that are published. */
export function faultyEnvelopes(change: (envelope: Envelope) => Envelope): ProviderHarness {
  return faulty((inner) => ({
    publish: (batch, options) => inner.publish(batch.map(change), options),
  }));
}

/** Changes how consumers begin and end. */
export function faultyConsumer(
  change: (handle: ConsumerHandle) => ConsumerHandle,
): ProviderHarness {
  return faulty((inner) => ({
    consume: async (spec, deliver) => change(await inner.consume(spec, deliver)),
  }));
}

/** Declares and consumes another subscription than it is told. */
export function consumes(change: <T extends Spec>(spec: T) => T): ProviderHarness {
  return faulty((inner) => ({
    subscriptions: {
      ...inner.subscriptions,
      declare: (specs) => inner.subscriptions.declare(specs.map((spec) => change(spec))),
    },
    consume: (spec, deliver) => inner.consume(change(spec), deliver),
  }));
}
