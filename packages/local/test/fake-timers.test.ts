import { createEventBus } from "@busbar/core";
import { afterEach, expect, test, vi } from "vitest";
import { localProvider } from "../src/index.ts";

afterEach(() => void vi.useRealTimers());

test.for([
  ["what Vitest fakes by default", ["setTimeout", "setInterval", "setImmediate", "Date"]],
  [
    "what Jest fakes by default, for the most part",
    ["setTimeout", "setInterval", "setImmediate", "Date", "queueMicrotask"],
  ],
] as const)("delivers, settles and stops with fake timers: %s", async ([, toFake]) => {
  vi.useFakeTimers({ toFake: [...toFake] });
  const bus = createEventBus({ provider: localProvider() });
  let handled = 0;
  // More than one turn of the event loop delivers, and in several generations.
  bus.subscribe(
    "order.placed",
    async () => {
      handled += 1;
      await bus.emit("receipt.sent", {});
    },
    { subscriberId: "send-receipt" },
  );
  bus.subscribe("receipt.sent", () => void (handled += 1), { subscriberId: "count" });
  await bus.start();
  await bus.emit(Array.from({ length: 300 }, () => ({ name: "order.placed", data: {} })));
  await bus.settled();
  expect(handled).toBe(600);
  await bus.emit(Array.from({ length: 300 }, () => ({ name: "order.placed", data: {} })));
  await bus.stop();
  expect(handled).toBe(1_200);
});
