// Which source files and functions run for one awaited emit and its delivery on the local provider, when everything is
// warm. Needs `pnpm build`, and `node --enable-source-maps`: what runs was built into few files.
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { findSourceMap } from "node:module";
import { fileURLToPath } from "node:url";
import { createEventBus } from "../packages/core/dist/index.js";
import { localProvider } from "../packages/local/dist/index.js";

const WARM_UP = 200;

const bus = createEventBus({ name: "way", provider: localProvider() });
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
