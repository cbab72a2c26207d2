// A process of its own: it must end without process.exit once the bus has stopped.
import { EventEmitter } from "node:events";
import { createEventBus } from "@busbar/core";
import { createMemoryProvider } from "@busbar/core/memory";

const bus = createEventBus({
  provider: createMemoryProvider({ name: "memory", channel: new EventEmitter() }),
  groupTtlMs: 3_600_000,
});
bus.subscribe("order.placed", ({ data }) => console.log(`handled ${String(data)}`), {
  subscriberId: "s",
});
bus.subscribe("order.placed", () => Promise.reject(new Error("no")), { subscriberId: "fails" });
bus.subscribe("order.placed", () => Promise.reject(new Error("no")), {
  subscriberId: "retries",
  attempts: 2,
  backoff: 3_600_000,
});
await bus.start();
await bus.emit("order.placed", 1);
await bus.emit("order.placed", 3, { delay: 3_600_000 });
await bus.emit({ name: "order.placed", data: 4, metadata: { eventGroupId: "g" } });
// A delivery that is due keeps the process alive: nothing else waits here.
await bus.emit("order.placed", 2, { delay: 20 });
await bus.settled({ timeoutMs: 200 }).catch(() => {});
await bus.stop();
console.log("stopped");
