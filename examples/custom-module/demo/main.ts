import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directory = await mkdtemp(join(tmpdir(), "busbar-"));
const receipts: number[] = [];

/** Starts the shop in a process of its own. Resolves when that process has ended. */
async function run(...args: string[]): Promise<void> {
  const shop = fork(new URL("shop.ts", import.meta.url), [directory, ...args]);
  shop.on("message", (message: { readonly did: string; readonly order: number }) => {
    if (message.did === "receipt") receipts.push(message.order);
    // The handler of order 8 has begun, and will not end.
    if (message.did === "hang") shop.kill("SIGKILL");
  });
  const [[code, signal]] = await Promise.all([once(shop, "exit"), once(shop, "disconnect")]);
  console.log(`The process has ended: ${signal ?? `code ${code}`}`);
}

console.log("Emitting 20 orders; the handler of order 8 hangs");
await run("emit", "hang");
console.log(`Receipts so far: ${receipts.join(" ")}`);

console.log("Starting again");
await run();
receipts.sort((a, b) => a - b);
console.log(`Receipts after all: ${receipts.join(" ")}`);

await rm(directory, { recursive: true });
