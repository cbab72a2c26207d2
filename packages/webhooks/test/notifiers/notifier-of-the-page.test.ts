import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testNotifier } from "../../src/testing.ts";
import { fileNotifier } from "../support/notifier-of-the-page.ts";

test("the notifier tested here is the one of the page, and has at most 45 lines", async () => {
  const page = new URL("../../../../docs/how-to/write-a-notifier.md", import.meta.url);
  const code = new URL("../support/notifier-of-the-page.ts", import.meta.url);
  const [, block] = (await readFile(page, "utf8")).split(
    /```ts file=src\/file-notifier.ts\n|```\n/,
  );
  expect(await readFile(code, "utf8")).toBe(block);
  expect(block?.trim().split("\n").length).toBeLessThanOrEqual(45);
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "busbar-notifier-"));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
testNotifier(test, {
  create: () => fileNotifier(folder),
  accepting() {
    files += 1;
    const destination = `orders-${files}.ndjson`;
    let read = 0;
    return {
      destination,
      async next() {
        for (;;) {
          const text = await readFile(join(folder, destination), "utf8").catch(() => "");
          const line = text.split("\n")[read];
          if (line) {
            read += 1;
            return JSON.parse(line) as { id: string; data: unknown };
          }
          await sleep(5);
        }
      },
      close: async () => {},
    };
  },
  unreachable: () => "missing/orders.ndjson",
  badSettings: [{ settings: { flush: "yes" }, path: "flush" }],
  badDestinations: ["../orders.ndjson", "/etc/passwd", "orders.txt"],
});
