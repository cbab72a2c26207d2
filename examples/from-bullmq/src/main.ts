import { openShop as openAfter } from "./after.ts";
import { openShop as openBefore } from "./before.ts";
import { runDay } from "./day.ts";

const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";
for (const [name, open] of [
  ["BullMQ", openBefore],
  ["Busbar", openAfter],
] as const) {
  const { deeds } = await runDay((services) => open(redisUrl, services));
  console.log(`${name}\n  ${deeds.join("\n  ")}\n`);
}
