import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { testNotifier } from "@busbar/webhooks/testing";
import { acmeNotifier } from "../src/index.ts";
import { startReading } from "./start-reading.ts";

const folder = await mkdtemp(join(tmpdir(), "acme-"));
after(() => rm(folder, { recursive: true }));

let destinations = 0;
testNotifier(test, {
  create: () => acmeNotifier(folder),
  accepting() {
    destinations += 1;
    return startReading(folder, `orders-${destinations}.ndjson`);
  },
  unreachable: () => "missing/orders.ndjson",
  badSettings: [{ settings: { flush: "yes" }, path: "flush" }],
  badDestinations: ["../orders.ndjson", "/etc/passwd", "orders.txt"],
});
