import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { defineAsyncEvents, webhooks, type Webhooks } from "@busbar/webhooks";
import { startReceiver, type Receiver } from "@busbar/webhooks/testing";
import { createVerifier } from "@busbar/webhooks/verify";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { runCli, type CliOptions, type CliRun } from "./support/run-cli.ts";
import { storeOf } from "./support/store.ts";

const encryptionKeys = [{ id: "1", key: Buffer.alloc(32, 7) }];
const events = defineAsyncEvents({ "order.placed": {}, "order.shipped": {} });

describe("busbar webhooks", () => {
  let hooks: Webhooks<{ "order.placed": unknown; "order.shipped": unknown }>;
  let receiver: Receiver;
  let subscriptionId: string;

  const cli = (argv: readonly string[], options: CliOptions = {}): Promise<CliRun> =>
    runCli(["webhooks", ...argv], { project: "hooks", ...options });

  beforeEach(async () => {
    const file = join(await mkdtemp(join(tmpdir(), "busbar-cli-")), "hooks.db");
    process.env["HOOKS_FILE"] = file;
    receiver = await startReceiver();
    const http = { allow: ["127.0.0.0/8"], allowHttp: true };
    hooks = webhooks({ events, store: storeOf(file), encryptionKeys, http }) as never;
    const bus = createEventBus({ provider: localProvider(), plugins: [hooks], logger: false });
    await bus.start();
    onTestFinished(async () => {
      await bus.stop({ graceMs: 500 });
      await receiver.close();
    });
    const { id } = await hooks.subscriptions.create({
      events: ["order.**"],
      destination: receiver.url,
      label: "ERP",
    });
    subscriptionId = id;
  });

  async function deliver(data: object): Promise<string> {
    await hooks.publish("order.placed", data);
    const { headers } = await receiver.next();
    const id = headers["webhook-id"] as string;
    await expect
      .poll(() => hooks.log.trace(id))
      .toMatchObject({ delivery: { state: "delivered" } });
    return id;
  }

  test("lists subscriptions, searches the log and shows a delivery", async () => {
    const id = await deliver({ orderId: "42" });
    expect((await cli(["list"])).stdout).toContain(`${subscriptionId}  enabled  http`);
    expect(await cli(["list", "--event", "mail.sent"])).toMatchObject({ code: 3 });
    expect((await cli(["log"])).stdout).toMatch(/order\.placed +delivered +200/);
    const found = await cli(["log", "--query", "data.orderId: 42", "--since", "1h", "--json"]);
    expect(found.json()).toMatchObject([{ id }]);
    expect(await cli(["log", "--query", "success: false"])).toMatchObject({ code: 3 });
    expect(await cli(["log", "--query", "success: ("])).toMatchObject({ code: 1 });
    const { stdout } = await cli(["show", id]);
    expect(stdout).toContain('"orderId": "42"');
    expect(stdout).toMatch(/1 {2}\S+Z {2}200 {2}\d+ ms {2}delivered/);
    expect(await cli(["show", "00000000-0000-7000-8000-000000000000"])).toMatchObject({ code: 3 });
  });

  test("delivers again: one delivery, one event, or what a query finds", async () => {
    const id = await deliver({ orderId: "1" });
    await deliver({ orderId: "2" });
    expect(await cli(["replay"])).toMatchObject({ code: 2 });
    const dry = await cli(["replay", "--query", "data.orderId: 1", "--dry-run", "--json"]);
    expect(dry.json()).toEqual({ count: 1 });
    expect(await cli(["replay", "--id", id])).toMatchObject({ code: 0 });
    expect((await receiver.next()).headers["webhook-id"]).toBe(id);
    const all = await cli(["replay", "--since", "1h"], { answer: "y", isTTY: true });
    expect(all.stdout).toMatch(/Replay done: \d begun again/);
    await receiver.next();
    const eventId = (await hooks.log.trace(id))!.delivery.eventId;
    const again = await cli(["replay", "--event-id", eventId, "--json"]);
    expect(again.json()).toEqual({ deliveries: 1 });
  });

  test("forwards what is new to a URL, once for each event, with a signature", async () => {
    await deliver({ orderId: "old" });
    await hooks.subscriptions.create({ events: ["order.placed"], destination: receiver.url });
    const local = await startReceiver();
    onTestFinished(() => local.close());
    const ended = new AbortController();
    let heard = "";
    const running = cli(["listen", "--forward-to", local.url, "--event", "order.placed"], {
      signal: ended.signal,
      onOutput: (text) => void (heard += text),
    });
    await expect.poll(() => heard, { timeout: 5_000 }).toContain("The secret is whsec_");
    await hooks.publish("order.shipped", { orderId: "other" });
    await hooks.publish("order.placed", { orderId: "new" });
    const request = await local.next();
    const [secret] = /whsec_\S+/.exec(heard)!;
    const verified = await createVerifier({ secrets: secret! }).verify(
      request.headers as never,
      request.body,
    );
    expect(verified).toMatchObject({ event: { name: "order.placed", data: { orderId: "new" } } });
    await expect.poll(() => heard).toMatch(/200 {2}order\.placed/);
    ended.abort();
    expect(await running).toMatchObject({ code: 0 });
    expect(local.requests).toHaveLength(1);
  });

  test("refuses a URL and a secret that cannot be", async () => {
    expect(await cli(["listen", "--forward-to", "ftp://x"])).toMatchObject({ code: 2 });
    const argv = ["listen", "--forward-to", "http://localhost:1", "--secret", "plain"];
    expect(await cli(argv)).toMatchObject({ code: 2 });
  });
});
