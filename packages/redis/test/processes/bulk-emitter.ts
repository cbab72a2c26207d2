// Emits bulks of 500 events, one after the other, and prints the number of each that was accepted.
import { createEventBus } from "@busbar/core";
import { redisProvider } from "../../src/index.ts";

const { name, redisUrl } = JSON.parse(process.argv[2] ?? "{}");
const bus = createEventBus({ name, provider: redisProvider({ redisUrl }), role: "server" });
const print = (...line: readonly unknown[]): void => console.log(JSON.stringify(line));

await bus.start();
print("ready");
for (let bulk = 0; ; bulk += 1) {
  const ids = Array.from({ length: 500 }, (_, index) => `bulk-${bulk}-${index}`);
  print("emitting", bulk);
  await bus.emit(ids.map((id) => ({ id, name: "order.placed", data: { bulk } })));
  print("accepted", bulk);
}
