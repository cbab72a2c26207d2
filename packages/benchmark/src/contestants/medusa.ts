import { EVENT_NAME } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenBus, OpenOptions } from "./emit-contestants.ts";

/** What is handed to `emit` of Medusa's buses. */
export interface MedusaMessage {
  readonly name: string;
  readonly data: unknown;
  readonly metadata?: { readonly eventGroupId: string };
}

/** The part of Medusa's bus that is used here. */
export interface MedusaBus {
  emit(messages: MedusaMessage | readonly MedusaMessage[]): Promise<void>;
  subscribe(
    name: string,
    handler: () => Promise<void>,
    context: { readonly subscriberId: string },
  ): void;
}

interface MedusaModule {
  readonly default: {
    readonly service: new (dependencies: object, options: object, declaration: object) => MedusaBus;
  };
}

/** Has nothing to write to, so that no terminal is measured. */
export const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

/** The service that a Medusa application gets, without the application. */
export function createMedusaBus(): MedusaBus {
  const { service: Service } = requirePeer<MedusaModule>("@medusajs/event-bus-local").default;
  return new Service({ logger: silentLogger }, {}, { worker_mode: "shared" });
}

/** Medusa's local bus. All subscribers of an event get one object, which is the emitter's own. */
export function openMedusa({ handlers, manyCount, dataAt }: OpenOptions): OpenBus {
  const bus = createMedusaBus();
  for (const [index, handler] of handlers.entries()) {
    bus.subscribe(EVENT_NAME, handler, { subscriberId: `subscriber-${index}` });
  }
  const messages = Array.from({ length: manyCount }, (_, index) => ({
    name: EVENT_NAME,
    data: dataAt(index),
  }));
  return {
    emitOne: (index) => bus.emit({ name: EVENT_NAME, data: dataAt(index) }),
    emitMany: () => bus.emit(messages),
  };
}
