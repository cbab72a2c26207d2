import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type App, type BusbarConfig, createApp, defineConfig } from "@busbar/core";
import { asValue } from "@busbar/core/container";
import { describe, expect, onTestFinished, test } from "vitest";
import testingModule, { simulate, testingProvider } from "../src/index.ts";

const sendReceipt = `
export default ({ event, container }) => {
  container.resolve("sent").push(event.data.orderId);
};
export const config = {
  event: "order.placed",
  context: { subscriberId: "send-receipt", attempts: 2, backoff: 1000 },
};
`;

/** An application's root, with one file in its folder of subscribers. */
function project(): string {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "busbar-testing-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  writeFileSync(path.join(root, "package.json"), '{ "type": "module" }');
  mkdirSync(path.join(root, "subscribers"));
  writeFileSync(path.join(root, "subscribers/send-receipt.js"), sendReceipt);
  return root;
}

async function makeApp(
  modules: BusbarConfig["modules"],
  root: string,
  sent: string[],
): Promise<App> {
  const config = defineConfig({
    modules,
    subscribers: "./subscribers",
    services: { sent: asValue(sent) },
  });
  return createApp(config, { root, signals: false });
}

describe("an application", () => {
  test("runs its folder of subscribers on a provider that is the module", async () => {
    const provider = testingProvider();
    const sent: string[] = [];
    const app = await makeApp([{ resolve: provider }], project(), sent);
    await app.start();
    provider.failNext("send-receipt");
    await app.bus.emit("order.placed", { orderId: "42" });
    await provider.advance(999);
    expect(sent).toEqual([]);
    await provider.advance(1);
    expect(sent).toEqual(["42"]);
    await app.stop();
  });

  test("takes the package as a module, on the system's time", async () => {
    const sent: string[] = [];
    const modules = { eventBus: { resolve: testingModule, options: { maxPending: 10 } } };
    const app = await makeApp(modules, project(), sent);
    await app.start();
    await app.bus.emit("order.placed", { orderId: "42" });
    await app.bus.settled();
    expect(sent).toEqual(["42"]);
    await app.stop();
  });

  test("is told which option of the module is wrong", async () => {
    const modules = [{ resolve: testingModule, options: { maxPending: -1 } }];
    await expect(makeApp(modules, project(), [])).rejects.toThrow("maxPending must be");
  });

  test("is simulated with its folder of subscribers", async () => {
    const root = project();
    await expect(
      simulate(
        async ({ provider }) => {
          const sent: string[] = [];
          const app = await makeApp([{ resolve: provider }], root, sent);
          return {
            app,
            run: async () => void (await app.bus.emit("order.placed", { orderId: "42" })),
            check: () => expect(sent).toEqual(["42"]),
          };
        },
        { seeds: 100 },
      ),
    ).rejects.toThrow(/Seed \d+ fails: expected \[ '42', '42' \] to deeply equal/);
  });
});
