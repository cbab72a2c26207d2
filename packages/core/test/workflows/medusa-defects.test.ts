import { EventEmitter } from "node:events";

import { createEventBus } from "../../src/event-bus.ts";
import type { Event } from "../../src/contract/event.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { type BusFactory, recordingBusFactory } from "./bus-harness.ts";
import { testMedusaDefects } from "./medusa-defect-cases.ts";

const realBusFactory: BusFactory = async () => {
  const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  const bus = createEventBus({ provider });
  const published: Event[] = [];
  bus.subscribe("*", (event) => void published.push(event), {
    subscriberId: "recorder",
    ordering: "all",
  });
  await bus.start();
  return {
    bus,
    async published() {
      await bus.settled();
      return published;
    },
    [Symbol.asyncDispose]: () => bus.stop(),
  };
};

testMedusaDefects("a recording bus", recordingBusFactory);
testMedusaDefects("the bus itself", realBusFactory);
