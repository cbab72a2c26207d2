import { cpSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type * as sources from "../../src/create-app.ts";
import { installCore, type InstalledCore, run } from "./support/installed-core.ts";
import { type Files, moduleSource, project, write } from "./support/project.ts";
import { valueModule } from "./support/value-module.ts";

let core: InstalledCore;
beforeAll(() => (core = installCore()));
afterAll(() => core.remove());

const files: Files = {
  "mailer.ts": "export const send = (): void => { throw new Error('a real mail'); };",
  "subscribers/a.ts": `
    import { send } from "../mailer.ts";
    export default (): void => { send(); };
    export const config = { event: "a" };`,
};

/** A project in which core is installed, not linked: a test runner imports such packages by Node's own means. */
function installed(more: Files = {}): string {
  const root = project({ ...files, ...more });
  cpSync(core.path, path.join(root, "node_modules/@busbar/core"), { recursive: true });
  return root;
}

describe("an application under test in Vitest", () => {
  test("has the mocks of the test in its subscriber files", async () => {
    const root = installed();
    const send = vi.fn();
    vi.doMock(path.join(root, "mailer.ts"), () => ({ send }));
    const entry = path.join(root, "node_modules/@busbar/core/dist/index.js");
    const { createApp } = (await import(pathToFileURL(entry).href)) as typeof sources;

    const modules = [{ resolve: valueModule() }];
    const app = await createApp({ modules, subscribers: "subscribers", root }, { signals: false });
    const subscriber = (await import(
      pathToFileURL(path.join(root, "subscribers/a.ts")).href
    )) as object;
    await app.start();
    await app.bus.emit("a", {});
    await app.stop();

    expect(send).toHaveBeenCalledTimes(1);
    expect(subscriber).toHaveProperty("config");
  });

  test("may start a process, which inherits the environment and is no test", async () => {
    const root = installed({
      "bus.js": moduleSource,
      "main.js": `
        import { createApp } from "@busbar/core";
        const app = await createApp({ modules: [{ resolve: "./bus.js" }] });
        await app.start();
        await app.stop();
        console.log("done");`,
    });
    const child = run(path.join(root, "main.js"), { VITEST: "true" });
    expect(await child.ended, child.output()).toBe(0);
    expect(child.output()).toBe("done");
  });
});

describe("an application under test in Jest", () => {
  test("gives the runner paths, because its `import` may be a `require`", async ({
    onTestFinished,
  }) => {
    vi.stubEnv("JEST_WORKER_ID", "1");
    onTestFinished(() => void vi.unstubAllEnvs());
    const { importOfTestRunner } = await import("../../src/app/test-runner.ts");
    const root = project({});
    write(root, { "a file.mjs": "export const name = import.meta.filename;" });
    const load = await importOfTestRunner([root]);
    const file = path.join(root, "a file.mjs");
    expect(await load?.(pathToFileURL(file))).toMatchObject({ name: file });
  });
});
