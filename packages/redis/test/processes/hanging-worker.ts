// A worker whose subscription `quick` finishes at once, and whose `slow` never does.
import { createEventBus } from "@busbar/core";
import { redisProvider } from "../../src/index.ts";

const { name, redisUrl } = JSON.parse(process.argv[2] ?? "{}");
const provider = redisProvider({ redisUrl, lockDurationMs: 1_000, stalledCheckMs: 300 });
const bus = createEventBus({ name, provider });
const print = (...line: readonly unknown[]): void => console.log(JSON.stringify(line));

bus.subscribe("order.placed", ({ data }) => print("quick", data), { subscriberId: "quick" });
bus.subscribe(
  "order.placed",
  ({ data }) => {
    print("slow", data);
    return new Promise(() => {});
  },
  { subscriberId: "slow", concurrency: 20 },
);
await bus.start();
print("ready");
