import { EVENT_NAME } from "../order.ts";
import { importPeer } from "../peers.ts";
import type { OpenBus, OpenOptions } from "./emit-contestants.ts";

interface EmitteryModule {
  readonly default: new () => {
    on(name: string, handler: () => Promise<void>): unknown;
    emit(name: string, data: unknown): Promise<void>;
  };
}

/**
 * emittery. Its `emit` resolves when the listeners have finished. It has no call for many events:
 * they are emitted together and awaited together.
 */
export async function openEmittery({ handlers, manyCount, dataAt }: OpenOptions): Promise<OpenBus> {
  const { default: Emittery } = await importPeer<EmitteryModule>("emittery");
  const emitter = new Emittery();
  for (const handler of handlers) emitter.on(EVENT_NAME, handler);
  const indexes = Array.from({ length: manyCount }, (_, index) => index);
  const emitOne = (index: number) => emitter.emit(EVENT_NAME, dataAt(index));
  return { emitOne, emitMany: () => Promise.all(indexes.map(emitOne)) };
}
