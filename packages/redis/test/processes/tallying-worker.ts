// A worker that notes every event that it handles in a Redis beside the one under test, so that the
// notes survive a kill -9.
import { createEventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { redisProvider } from "../../src/index.ts";

const { name, redisUrl, tallyUrl, subscriptions } = JSON.parse(process.argv[2] ?? "{}");
const tally = new Redis(tallyUrl, { enableAutoPipelining: true });
const provider = redisProvider({
  redisUrl,
  lockDurationMs: 2_000,
  stalledCheckMs: 500,
  commandTimeoutMs: 2_000,
});
const bus = createEventBus({ name, provider });

for (const subscriberId of subscriptions as string[]) {
  bus.subscribe<{ number: number }>(
    "order.placed",
    async ({ data }) => {
      await Promise.all([
        tally.setbit(`handled:${subscriberId}`, data.number, 1),
        tally.incr(`runs:${subscriberId}`),
      ]);
    },
    { subscriberId, concurrency: 50 },
  );
}
await bus.start();
console.log(JSON.stringify(["ready"]));
