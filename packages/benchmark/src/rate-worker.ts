// Handles events of a subscription with a rate, and reports when each run begins, for a question that needs several
// processes.
import { createEventBus } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { EVENT_NAME } from "./order.ts";

const [redisUrl, max, perMs] = process.argv.slice(2);
const bus = createEventBus({
  provider: redisProvider({ redisUrl: String(redisUrl) }),
  role: "worker",
});
const begun: number[] = [];
bus.subscribe(EVENT_NAME, () => void begun.push(Date.now()), {
  subscriberId: "limited",
  rate: { max: Number(max), perMs: Number(perMs) },
});
process.once("message", () => {
  process.send?.(begun);
  void bus.stop({ graceMs: 0 }).finally(() => process.exit());
});
await bus.start();
process.send?.("ready");
