import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { fixture, runCli } from "./support/run-cli.ts";
import { type RunningCommand, startCommand } from "./support/running-command.ts";
import { startShop, useShop } from "./support/shop.ts";

const startWorker = (name: string): RunningCommand =>
  startCommand(["worker"], fixture("worker"), { BUSBAR_TEST_NAME: name });

async function printJob(data: object): Promise<void> {
  const argv = ["emit", "order.placed", JSON.stringify(data)];
  expect(await runCli(argv, { project: "worker" })).toMatchObject({ code: 0 });
}

/** A printer that answers each job when the test says so. */
async function startPrinter(): Promise<{ printer: string; jobs: ServerResponse[] }> {
  const jobs: ServerResponse[] = [];
  const server = createServer((_, response) => void jobs.push(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { printer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, jobs };
}

test("busbar worker handles events, and waits for running handlers when it is told to stop", async () => {
  const name = useShop();
  const bus = await startShop(name, () => {}, { role: "server" });
  const { printer, jobs } = await startPrinter();
  const worker = startWorker(name);
  await worker.next(/The worker runs 1 subscription on provider redis\./);
  await printJob({ printer });
  await worker.next(/printing /);
  worker.kill("SIGTERM");
  await worker.next(/Stopping: running handlers may end\./);
  await expect.poll(() => jobs.length).toBe(1);
  jobs[0]!.end();
  expect(await worker.ended).toBe(0);
  expect(worker.output()).toContain("printed ");
  // Nothing is left to deliver again.
  const { subscriptions } = await bus.inspect();
  expect(subscriptions).toMatchObject([
    { subscriberId: "print-label", ready: 0, delayed: 0, inFlight: 0, dead: 0 },
  ]);
}, 30_000);

test("a second signal ends busbar worker at once", async () => {
  const name = useShop();
  const { printer, jobs } = await startPrinter();
  const worker = startWorker(name);
  await worker.next(/The worker runs/);
  await printJob({ printer });
  await worker.next(/printing /);
  await expect.poll(() => jobs.length).toBe(1);
  worker.kill("SIGINT");
  await worker.next(/Stopping/);
  worker.kill("SIGTERM");
  expect(await worker.ended).toBe(128 + 15);
  expect(worker.output()).not.toContain("printed ");
}, 30_000);

test("busbar tail ends quietly when the reader of its output has enough", async () => {
  const name = useShop();
  const command = startCommand(["tail"], fixture("shop"), { BUSBAR_TEST_NAME: name });
  await command.next(/Watching .*\n/);
  const bus = await startShop(name, () => {}, { role: "server" });
  let isOver = false;
  void command.ended.then(() => (isOver = true));
  const emit = async (): Promise<unknown> => bus.emit("order.placed", {});
  await emit();
  await command.next(/order\.placed/);
  command.closeOutput();
  await expect
    .poll(async () => {
      await emit();
      return isOver;
    })
    .toBe(true);
  expect(await command.ended).toBe(0);
  expect(
    command
      .output()
      .split("\n")
      .filter((line) => !line.includes("order.placed")),
  ).toEqual([`Watching ${name}. End it with Ctrl-C.`, ""]);
}, 30_000);
