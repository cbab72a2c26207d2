import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ArrivedDelivery, TestDestination } from "@busbar/webhooks/testing";

/** A destination that accepts every delivery. Replace it by a server or a broker that your notifier delivers to. */
export function startReading(folder: string, destination: string): TestDestination {
  let read = 0;
  return {
    destination,
    async next() {
      for (;;) {
        const text = await readFile(join(folder, destination), "utf8").catch(() => "");
        const line = text.split("\n")[read];
        if (line) {
          read += 1;
          return JSON.parse(line) as ArrivedDelivery;
        }
        await sleep(5);
      }
    },
    close: async () => {},
  };
}
