import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { EVENT_NAME } from "../order.ts";
import type { OpenBus, OpenOptions } from "./emit-contestants.ts";

/** Busbar's bus with the local provider and defaults, but for the isolation. */
export async function openBusbar(
  isolation: "copy" | "none",
  { handlers, manyCount, dataAt }: OpenOptions,
): Promise<OpenBus> {
  const bus = createEventBus({ provider: localProvider(), isolation });
  for (const [index, handler] of handlers.entries()) {
    bus.subscribe(EVENT_NAME, handler, { subscriberId: `subscriber-${index}` });
  }
  await bus.start();
  const messages = Array.from({ length: manyCount }, (_, index) => ({
    name: EVENT_NAME,
    data: dataAt(index),
  }));
  return {
    emitOne: (index) => bus.emit(EVENT_NAME, dataAt(index)),
    emitMany: () => bus.emit(messages),
  };
}
