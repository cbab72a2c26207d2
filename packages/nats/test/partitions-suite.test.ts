import { type TestFunction, testProvider } from "@busbar/conformance";
import { afterAll, test } from "vitest";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { natsProvider } from "../src/nats-provider.ts";

/** The groups of cases in which it matters that a queue is in several streams, and no process is killed. */
const HERE =
  /^(fan-out|settle|concurrency|close|retire|dead letters|deduplication|to): (?!.*\bprocess)/;
/** What several streams do not have: one order of all events, and consumers that hold no more than they run. */
const NOT_HERE = /handled in turn|settled in peace/;

const server = await startServer("nats");
afterAll(() => server.stop());

const here: TestFunction = (name, options, run) =>
  HERE.test(name) && !NOT_HERE.test(name) ? test(name, options, run) : undefined;
const nothing = async (): Promise<void> => {};

await testProvider(here, {
  create: ({ deduplicationWindowMs }) =>
    natsProvider({ servers: server.url, partitions: 3, leaseMs: 5_000, deduplicationWindowMs }),
  adjusts: ["deduplicationWindowMs"],
  // No case here breaks anything.
  faults: {
    connection: true,
    module: new URL(import.meta.url),
    restart: nothing,
    cut: nothing,
    halfOpen: nothing,
    heal: nothing,
  },
});
