// A process that fires schedules, with a clock that is off.
import { createEventBus } from "@busbar/core";
import { systemClock } from "@busbar/core/provider";
import { redisProvider } from "../../src/index.ts";

const { name, redisUrl, aheadMs } = JSON.parse(process.argv[2] ?? "{}");
const bus = createEventBus({
  name,
  provider: redisProvider({ redisUrl }),
  clock: { ...systemClock, now: () => systemClock.now() + Number(aheadMs) },
  logger: false,
  schedules: { tick: { everyMs: 1_000, event: "ticked", data: {} } },
});
await bus.start();
console.log(JSON.stringify(["ready"]));
