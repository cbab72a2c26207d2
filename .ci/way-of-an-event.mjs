// Prints which source files and functions run for one awaited emit and its delivery, when everything is warm, on the
// local provider, or on Redis: `REDIS_URL=… node --enable-source-maps .ci/way-of-an-event.mjs redis`. Needs `pnpm build`;
// the source maps tell the sources from the few files that they were built into.
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { findSourceMap } from "node:module";
import { fileURLToPath } from "node:url";
import { createEventBus } from "../packages/core/dist/index.js";

const WARM_UP = 200;

const bus = createEventBus({ name: `way-${process.pid}`, provider: await provider() });
let handled;
bus.subscribe("order.placed", async () => handled(), { subscriberId: "s" });
await bus.start();
for (let i = 0; i < WARM_UP; i++) await once();

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
await session.post("Profiler.takePreciseCoverage");
await once();
await new Promise((resolve) => setImmediate(resolve));
const { result } = await session.post("Profiler.takePreciseCoverage");
await bus.stop();

const functions = result
  .filter(({ url }) => /\/packages\/\w+\/dist\//.test(url))
  .flatMap((script) => script.functions.map((it) => ({ url: script.url, ...it })))
  .filter(({ functionName, ranges }) => functionName !== "" && ranges[0].count > 0);
const calls = functions.reduce((sum, { ranges }) => sum + ranges[0].count, 0);
const bySource = new Map();
for (const it of functions) bySource.set(sourceOf(it), (bySource.get(sourceOf(it)) ?? 0) + 1);
for (const [source, ran] of bySource) console.log(`${String(ran).padStart(4)}  ${source}`);
console.log(`${bySource.size} files, ${functions.length} functions, ${calls} calls`);

async function provider() {
  if (process.argv[2] !== "redis") {
    return (await import("../packages/local/dist/index.js")).localProvider();
  }
  const { redisProvider } = await import("../packages/redis/dist/index.js");
  return redisProvider({ redisUrl: process.env.REDIS_URL });
}

function once() {
  return new Promise((resolve, reject) => {
    handled = resolve;
    bus.emit("order.placed", { id: "42", lines: [{ sku: "cup", quantity: 2 }] }).catch(reject);
  });
}

function sourceOf({ url, ranges }) {
  const file = fileURLToPath(url);
  const before = readFileSync(file, "utf8").slice(0, ranges[0].startOffset).split("\n");
  const entry = findSourceMap(file)?.findEntry(before.length - 1, before.at(-1).length);
  return (entry?.originalSource ?? url).replace(/^.*\/packages\//, "");
}
