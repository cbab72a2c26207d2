import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createProject } from "../../src/create/create-project.ts";
import { projectFolder } from "../support/project-folder.ts";
import { type RunningCommand, startCommand } from "../support/running-command.ts";

const SUBSCRIBER = "src/subscribers/send-receipt.ts";

/** An application whose files the test changes. */
async function createApp(): Promise<{
  directory: string;
  edit: (file: string, change: (text: string) => string) => void;
}> {
  const directory = join(projectFolder(), "shop");
  await createProject({
    kind: "app",
    directory,
    name: "shop",
    packageManager: "npm",
    provider: "local",
    features: [],
  });
  return {
    directory,
    edit(file, change) {
      const path = join(directory, file);
      writeFileSync(path, change(readFileSync(path, "utf8")));
    },
  };
}

async function placeOrder(url: string, orderId: string): Promise<void> {
  const order = { orderId, customer: "ada@example.com", totalCents: 1_200 };
  const response = await fetch(`${url}/orders`, { method: "POST", body: JSON.stringify(order) });
  expect(response.status).toBe(202);
}

async function listening(command: RunningCommand): Promise<string> {
  const [, url] = await command.next(/Listening on (http:\S+)/);
  return url!;
}

test("busbar dev runs an application, reloads what changes, and drains", async () => {
  const { directory, edit } = await createApp();
  const command = startCommand(["dev", "src/serve.ts", "--twice"], directory, { PORT: "0" });
  let url = await listening(command);
  await command.next(/shop runs 1 subscription on provider local/);
  await placeOrder(url, "1");
  await command.next(/emitted +order\.placed \{"orderId":"1"/);
  await command.next(/delivered order\.placed to send-receipt in/);
  await command.next(/delivered order\.placed to send-receipt a second time/);

  edit(SUBSCRIBER, (text) => text.replace("receipt for order", "RECEIPT for order"));
  await command.next(/reloaded +changed send-receipt/);
  await placeOrder(url, "2");
  await command.next(/RECEIPT for order 2/);

  const good = readFileSync(join(directory, SUBSCRIBER), "utf8");
  edit(SUBSCRIBER, () => "export default {");
  await command.next(/error: Subscriber .*send-receipt\.ts/);
  edit(SUBSCRIBER, () => good.replace("const {", "throw new Error('no mail'); const {"));
  await command.next(/reloaded +changed send-receipt/);
  await placeOrder(url, "3");
  await command.next(
    /failed +order\.placed to send-receipt, attempt 1 of 5, .*: no mail at src\/subscribers\/send-receipt\.ts:\d+/,
  );
  edit(SUBSCRIBER, () => good);
  await command.next(/reloaded +changed send-receipt/);

  writeFileSync(
    join(directory, "src/subscribers/audit.ts"),
    good.replace('"order.placed"', '"order.lost" as never'),
  );
  await command.next(/reloaded +added audit/);
  await command.next(/warning +Subscription "audit" wants "order\.lost"/);
  rmSync(join(directory, "src/subscribers/audit.ts"));
  await command.next(/reloaded +removed audit/);

  edit("src/mailer.ts", (text) => text.replace("Mail to", "MAIL to"));
  await command.next(/the application starts again/);
  url = await listening(command);
  await placeOrder(url, "4");
  await command.next(/MAIL to ada@example\.com: RECEIPT for order 4/);

  command.kill("SIGINT");
  expect(await command.ended).toBe(0);
  await expect(fetch(url)).rejects.toThrow();
}, 60_000);

test("busbar dev waits for a change when the application cannot start", async () => {
  const { directory, edit } = await createApp();
  edit("busbar.config.ts", (text) => text.replace("@busbar/local", "@busbar/nothing"));
  const command = startCommand(["dev", "src/serve.ts", "--json"], directory, { PORT: "0" });
  await command.next(/\{"error":\{"message":"[^\n]*@busbar\/nothing/);
  edit("busbar.config.ts", (text) => text.replace("@busbar/nothing", "@busbar/local"));
  const url = await listening(command);
  await placeOrder(url, "1");
  const [line] = await command.next(/\{.*"type":"delivered".*\}/);
  expect(JSON.parse(line)).toMatchObject({ subscriberId: "send-receipt", again: false });
  command.kill("SIGTERM");
  expect(await command.ended).toBe(0);
}, 30_000);
