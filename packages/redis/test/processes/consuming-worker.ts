// Consumes "mail" under the prefix that it is given: says what it is handed, hangs on what it is told to
// hold, and dies of poison after a while. Holds all of another subscription.
import { type ConsumeSpec, systemClock } from "@busbar/core/provider";
import { createConsumers } from "../../src/consume/consumer.ts";
import { createRedisLink } from "../../src/connection/redis-link.ts";
import { createServerClock } from "../../src/store/server-clock.ts";
import { createKeys } from "../../src/store/keys.ts";
import { resolveOptions } from "../../src/options.ts";
import { createRegistry } from "../../src/registry/create-registry.ts";
import { createScripts } from "../../src/store/scripts.ts";

const {
  url,
  prefix,
  hold = "",
  poison = "",
  killsAfterMs = 0,
  waitMs = 0,
  spec,
  other,
} = JSON.parse(process.argv[2] ?? "{}");
const print = (...line: readonly unknown[]): void => console.log(JSON.stringify(line));
const ignore = (): void => {};
const options = {
  ...resolveOptions({ redisUrl: url }),
  lockDurationMs: 1_000,
  stalledCheckMs: 300,
  // A tenth of what it is, for those who wait for it.
  suspectAloneMs: 100,
};
const context = {
  logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  clock: systemClock,
  namespace: "test",
  instanceId: crypto.randomUUID(),
  orphanedAfterMs: 60_000,
  deadLetters: { maxPerSubscription: 10_000, maxAgeMs: 60_000 },
  report: ignore,
};
const link = createRedisLink({ ...options, context });
await link.whenReady();
const scripts = createScripts(link.client);
const server = { context, options, keys: createKeys(prefix), link, scripts };
const serverClock = createServerClock(server);
await serverClock.read();
const parts = { ...server, serverClock };
const session = { ...parts, registry: createRegistry(parts) };
const consumers = createConsumers(session);
const mail: ConsumeSpec = {
  subscriptionId: "mail",
  events: ["*"],
  ordering: "none",
  onOrderedFailure: "park",
  aliases: [],
  concurrency: 20,
  ...spec,
};
await consumers.consume(mail, async ({ envelope: { id }, crashes }) => {
  print("handed", id, crashes);
  if (poison && id === poison) {
    await new Promise((resolve) => setTimeout(resolve, killsAfterMs));
    process.kill(process.pid, "SIGKILL");
    await new Promise(ignore);
  }
  if (hold && id.startsWith(hold)) await new Promise(ignore);
  if (waitMs) await new Promise((resolve) => setTimeout(resolve, waitMs));
  return { type: "ack" };
});
if (other) {
  await consumers.consume({ ...mail, ...other }, async ({ envelope: { id }, crashes }) => {
    print("handed", id, crashes);
    return await new Promise(ignore);
  });
}
print("ready");
