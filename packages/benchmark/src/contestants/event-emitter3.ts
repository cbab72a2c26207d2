import { EVENT_NAME } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenBus, OpenOptions } from "./emit-contestants.ts";

interface EventEmitter3Module {
  readonly EventEmitter: new () => {
    on(name: string, handler: () => Promise<void>): unknown;
    emit(name: string, data: unknown): boolean;
  };
}

/** eventemitter3: calls functions, and waits for none. The most that a bus in one process can reach. */
export function openEventEmitter3({ handlers, manyCount, dataAt }: OpenOptions): OpenBus {
  const { EventEmitter } = requirePeer<EventEmitter3Module>("eventemitter3");
  const emitter = new EventEmitter();
  for (const handler of handlers) emitter.on(EVENT_NAME, handler);
  return {
    emitOne: (index) => emitter.emit(EVENT_NAME, dataAt(index)),
    emitMany: async () => {
      for (let index = 0; index < manyCount; index++) emitter.emit(EVENT_NAME, dataAt(index));
    },
  };
}
