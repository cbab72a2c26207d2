import { createEventBus } from "@busbar/core";
import { describe, test } from "vitest";
import { testEventBusModule } from "../src/test-event-bus-module.ts";
import { memoryProvider } from "./support/faulty.ts";

describe("the bus of core", () => {
  testEventBusModule(test, {
    create: () => createEventBus({ provider: memoryProvider() }),
    start: (bus) => bus.start(),
    stop: (bus) => bus.stop(),
  });
});
