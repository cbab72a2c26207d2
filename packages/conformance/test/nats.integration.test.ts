// `createPushConsumer` on a real broker: NATS JetStream, which answers long polls.
import assert from "node:assert/strict";
import { afterAll, expect, test } from "vitest";
import { ACK, consumer, envelope, envelopes, retry } from "../src/builders.ts";
import { runCase } from "../src/case-runner.ts";
import { createFaultProxy } from "../src/fault-proxy.ts";
import { inspect, testProvider } from "../src/test-provider.ts";
import { caseOf } from "./support/case-of.ts";
import { natsProvider } from "./support/nats-provider.ts";

const url = String(process.env["NATS_URL"]);
const { hostname: host, port } = new URL(url);
const proxy = await createFaultProxy({ host, port: Number(port) });
afterAll(() => proxy.close());

await testProvider(test, { create: () => natsProvider(url) });

test(
  "what a broken connection had comes again, and is settled once",
  { timeout: 30_000 },
  async () => {
    const create = () => natsProvider(`nats://127.0.0.1:${proxy.port}`);
    const broken = caseOf(async (context) => {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (handover) => {
        const {
          crashes,
          state,
          envelope: { data },
        } = handover.delivery;
        if (data === "retried" && state === undefined) return retry(0, { runs: 1 });
        return data === "quick" || crashes > 0 ? ACK : handover.settled;
      });
      const held = ["waits", "retried"].map((data) => envelope(data, { data }));
      await instance.publish(...held);
      await inbox.received(3);
      await inbox.holds(2);
      await proxy.cut();
      await proxy.heal();
      // Too late: their connection is gone, and NATS delivers them again.
      inbox.settleAll();
      await inbox.received(5);
      const quick = envelopes(20, "quick-", () => ({ data: "quick" }));
      await context.waiting.eventually("a publish", async () => {
        const [result] = await instance.answers(quick.slice(0, 1)).catch(() => []);
        return result?.status === "accepted";
      });
      await instance.publish(...quick.slice(1));
      await inbox.has(quick.map(({ id }) => id));
      await inbox.idle();
      await instance.silence();
      assert.deepEqual([inbox.times("waits"), inbox.times("retried")], [2, 3]);
      const { crashes, state } = inbox.last("retried").delivery;
      assert.deepEqual([crashes, state], [1, { runs: 1 }]);
      expect(instance.reports.map((report) => report.type === "state" && report.state)).toEqual([
        "degraded",
        "ready",
      ]);
      await instance.stop();
    });
    await runCase(broken, await inspect({ create }));
  },
);
