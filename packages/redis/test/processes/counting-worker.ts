// A worker that prints every event that its subscriptions handle.
import { setTimeout as sleep } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { redisProvider } from "../../src/index.ts";

interface Input {
  readonly name: string;
  readonly redisUrl: string;
  readonly subscriptions: readonly string[];
  /** How long a handler takes. @default 0 */
  readonly handlerMs?: number;
  readonly concurrency?: number;
}

const input: Input = JSON.parse(process.argv[2] ?? "{}");
const { name, redisUrl, subscriptions, handlerMs = 0, concurrency = 10 } = input;
const provider = redisProvider({
  redisUrl,
  lockDurationMs: 2_000,
  stalledCheckMs: 500,
  commandTimeoutMs: 2_000,
});
const bus = createEventBus({ name, provider });
const print = (...line: readonly unknown[]): void => console.log(JSON.stringify(line));

for (const subscriberId of subscriptions) {
  bus.subscribe(
    "order.placed",
    async ({ id }) => {
      if (handlerMs > 0) await sleep(handlerMs);
      print("handled", subscriberId, id);
    },
    { subscriberId, concurrency },
  );
}
process.once("SIGTERM", () => void bus.stop().then(() => process.exit()));
print("ready");
await bus.start();
print("started");
