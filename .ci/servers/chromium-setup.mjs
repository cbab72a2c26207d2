// A `globalSetup` of vitest: builds the page of the dashboard and starts the browser that opens it. Tests find the
// browser with `inject("chromium")`.
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "vite";
import { root } from "../lib.mjs";
import { ensureProgram } from "./programs.mjs";

const dashboard = join(root, "packages/dashboard");

export async function setup({ provide }) {
  const executablePath = ensureProgram("chromium");
  await build({
    root: join(dashboard, "ui"),
    configFile: join(dashboard, "vite.config.ts"),
    logLevel: "warn",
  });
  const { chromium } = createRequire(join(dashboard, "package.json"))("playwright-core");
  const browser = await chromium.launchServer({ executablePath });
  provide("chromium", browser.wsEndpoint());
  return () => browser.close();
}
