import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  dependencyPath,
  installCore,
  type InstalledCore,
  run,
  type TestProcess,
} from "./support/installed-core.ts";
import { type Files, install, moduleSource, project, write } from "./support/project.ts";

let core: InstalledCore;
beforeAll(() => (core = installCore()));
afterAll(() => core.remove());

const imports = `
  import { BusbarError, createApp, isBusbarError } from "@busbar/core";
`;

/** Starts the application, emits once, prints what its subscribers print, and stops. */
const main = `${imports}
  const app = await createApp();
  await app.start();
  await app.bus.emit("order.placed", { orderId: "42" });
  await app.stop();
`;

/** A project in TypeScript: configuration, module and subscribers, with what only a compiler can read. */
const typescript: Files = {
  "main.js": main,
  "busbar.config.ts": `
    import { defineConfig } from "@busbar/core";
    enum Folder { Subscribers = "./subscribers" }
    export default defineConfig({ name: "shop", modules: [{ resolve: "./bus" }], subscribers: Folder.Subscribers });`,
  "bus.ts": moduleSource.replace("(name)", "(name: string)"),
  "shared.ts": `
    import { BusbarError } from "@busbar/core";
    export const state: { count: number } = { count: 0 };
    export { BusbarError };`,
  "subscribers/orders/receipt.ts": `
    import type { SubscriberArgs } from "@busbar/core";
    import { state } from "../../shared";
    export let runs = 0;
    export default async ({ event, subscriberId }: SubscriberArgs<{ orderId: string }>): Promise<void> => {
      runs += 1;
      state.count += 1;
      console.log(subscriberId, event.name, event.data.orderId, state.count);
    };
    export const config = { event: "order.placed" };`,
};

function app(files: Files, ...packages: string[]): string {
  const root = project(files);
  install(root, "@busbar/core", core.path);
  for (const name of packages) install(root, name, dependencyPath(name));
  return root;
}

async function finished(process: TestProcess): Promise<string> {
  expect(await process.ended, process.output()).toBe(0);
  return process.output();
}

describe("an application in TypeScript", () => {
  test("runs in plain Node.js where tsx is installed", async () => {
    const root = app(typescript, "tsx");
    const output = await finished(run(path.join(root, "main.js")));
    expect(output).toBe("orders/receipt order.placed 42 1");
  });

  test("runs under a loader that is there already", async () => {
    const loader = pathToFileURL(path.join(dependencyPath("tsx"), "dist/loader.mjs"));
    const root = app({ ...typescript, "main.ts": main });
    const output = await finished(
      run(path.join(root, "main.ts"), { NODE_OPTIONS: `--import=${loader.href}` }),
    );
    expect(output).toBe("orders/receipt order.placed 42 1");
  });

  test("writes no file, because a watch mode would restart the application", async () => {
    const report = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      for (const name of ["writeFileSync", "appendFileSync", "mkdirSync", "rmSync", "unlinkSync"]) {
        const real = fs[name];
        fs[name] = (file, ...rest) => {
          if (!/\\btsx-/.test(String(file))) console.log(name, file);
          return real(file, ...rest);
        };
      }
      syncBuiltinESMExports();`;
    const root = app({ ...typescript, "report.mjs": report }, "tsx");
    const preload = pathToFileURL(path.join(root, "report.mjs")).href;
    const output = await finished(
      run(path.join(root, "main.js"), { NODE_OPTIONS: `--import=${preload}` }),
    );
    expect(output).toBe("orders/receipt order.placed 42 1");
  });

  test("runs in a package that is not of type module, also if a file is CommonJS", async () => {
    const common = `
      import type { SubscriberArgs } from "@busbar/core";
      const handle = ({ subscriberId }: SubscriberArgs): void => console.log(subscriberId);
      export = Object.assign(handle, { config: { event: "order.placed" } });`;
    const files = { "package.json": "{}", "main.mjs": main, "subscribers/z.cts": common };
    const root = app({ ...typescript, ...files }, "tsx");
    const output = await finished(run(path.join(root, "main.mjs")));
    expect(output).toBe("orders/receipt order.placed 42 1\nz");
  });

  test("shares one copy of core, and of its own files, with what is loaded", async () => {
    const root = app(
      {
        ...typescript,
        "main.js": `${imports}
          import { pathToFileURL } from "node:url";
          const app = await createApp();
          const load = (file) => import(pathToFileURL(process.cwd() + file).href);
          const shared = await load("/shared.ts");
          const receipt = await load("/subscribers/orders/receipt.ts");
          console.log("one core:", shared.BusbarError === BusbarError);
          await app.start();
          await app.bus.emit("order.placed", { orderId: "42" });
          await app.stop();
          console.log("one state:", shared.state.count, receipt.runs);
          const error = await createApp({ modules: [{ resolve: "./throws.ts" }] }).catch((e) => e);
          console.log(error instanceof BusbarError, isBusbarError(error.cause), error.cause instanceof BusbarError);`,
        "throws.ts": `
          import { BusbarError } from "@busbar/core";
          throw new BusbarError("BUSBAR_NOT_FOUND", "nothing", { kind: "x" as string, id: "y" });`,
      },
      "tsx",
    );
    const output = await finished(run(path.join(root, "main.js")));
    expect(output.split("\n")).toEqual([
      "one core: true",
      "orders/receipt order.placed 42 1",
      "one state: 1 1",
      "true true true",
    ]);
  });

  test("says to compile it in production, and registers nothing", async () => {
    const root = app(
      {
        ...typescript,
        "main.js": `${imports} await createApp().catch(({ code, message }) => console.log(code, message));`,
      },
      "tsx",
    );
    const output = await finished(run(path.join(root, "main.js"), { NODE_ENV: "production" }));
    expect(output).toContain(
      "BUSBAR_INVALID_CONFIG Configuration (busbar.config.ts): cannot be loaded: ",
    );
    expect(output).toContain("TypeScript is not compiled in production: compile it");
  });

  test("says to install tsx where neither the application nor core has it", async () => {
    const root = app({
      ...typescript,
      "main.js": `${imports} await createApp().catch(({ code, message }) => console.log(code, message));`,
    });
    const output = await finished(run(path.join(root, "main.js")));
    expect(output).toContain(
      "BUSBAR_INVALID_CONFIG Configuration (busbar.config.ts): cannot be loaded: ",
    );
    expect(output).toContain('install tsx ("npm install --save-dev tsx"), or compile it');
  });

  test("names the subscriber file that has a syntax error", async () => {
    const root = app(
      {
        ...typescript,
        "subscribers/bad.ts": "export default {{",
        "main.js": `${imports} await createApp().catch(({ code, message }) => console.log(code, message));`,
      },
      "tsx",
    );
    const output = await finished(run(path.join(root, "main.js")));
    expect(output).toContain(
      "BUSBAR_INVALID_CONFIG Subscriber subscribers/bad.ts: cannot be loaded: ",
    );
  });
});

describe("an application compiled to JavaScript", () => {
  const receipt = `async ({ event, subscriberId }) => console.log(subscriberId, event.name, event.data.orderId)`;

  test("runs in production, with the ids that its TypeScript had", async () => {
    const root = app({
      "main.js": main,
      "busbar.config.js": `export default { modules: [{ resolve: "./bus.ts" }], subscribers: "./subscribers" };`,
      "bus.js": moduleSource,
      "subscribers/orders/receipt.js": `export default ${receipt}; export const config = { event: "order.placed" };`,
      "subscribers/orders/receipt.ts": typescript["subscribers/orders/receipt.ts"]!,
    });
    const output = await finished(run(path.join(root, "main.js"), { NODE_ENV: "production" }));
    expect(output).toBe("orders/receipt order.placed 42");
  });

  test("may be CommonJS", async () => {
    const flag = 'Object.defineProperty(exports, "__esModule", { value: true });';
    const root = app({
      "package.json": "{}",
      "main.mjs": main,
      "busbar.config.js": `${flag} exports.default = { modules: [{ resolve: "./bus.js" }], subscribers: "subscribers" };`,
      "bus.js": `${flag} ${moduleSource.replace("export const calls", "const calls").replace("export function", "function").replace("export default", "exports.default =")}`,
      "subscribers/orders/receipt.js": `${flag} exports.default = ${receipt}; exports.config = { event: "order.placed" };`,
    });
    const output = await finished(run(path.join(root, "main.mjs")));
    expect(output).toBe("orders/receipt order.placed 42");
  });
});

describe("an application whose sources lie next to what was compiled from them", () => {
  const config = `{ modules: [{ resolve: "./src/bus.ts" }], subscribers: "./src/subscribers" }`;
  const subscriber = `export default () => console.log("source: " + import.meta.url); export const config = { event: "a" };`;
  const sources: Files = {
    "busbar.config.ts": `export default ${config};`,
    "src/main.ts": "export {};",
    "src/bus.ts": "throw new Error('source: bus.ts');",
    "src/subscribers/a.ts": subscriber,
  };
  const compiled = subscriber.replace("source: ", "compiled: ");
  /** Exports a function that runs the application. */
  const program = (argument: string, more = ""): string => `${imports} ${more}
    export async function start() {
      const app = await createApp(${argument});
      await app.start();
      await app.bus.emit("a", {});
      await app.stop();
    }`;
  /** Runs each program from several directories, in development and in production. */
  const every = (...programs: readonly string[]): string => `
    import { pathToFileURL } from "node:url";
    import path from "node:path";
    const root = import.meta.dirname;
    for (const program of ${JSON.stringify(programs)}) {
      const file = path.join(root, program);
      for (const directory of [root, path.dirname(file), "/"]) {
        for (const env of ["development", "production"]) {
          process.env.NODE_ENV = env;
          process.chdir(directory);
          const { start } = await import(pathToFileURL(file));
          await start().catch((error) => console.log(error.message));
        }
      }
    }`;

  async function linesOf(files: Files, ...programs: readonly string[]): Promise<string[]> {
    const root = app({ ...files, "every.js": every(...programs) }, "tsx");
    const output = await finished(run(path.join(root, "every.js")));
    return output.replaceAll(pathToFileURL(root).href, "").replaceAll(root, "").split("\n");
  }

  test("runs what was compiled, from any directory", async () => {
    const byValue = program("config", `import config from "../busbar.config.js";`);
    const whole: Files = {
      "whole/busbar.config.js": sources["busbar.config.ts"]!,
      "whole/src/value.js": byValue,
      "whole/src/file.js": program(""),
      "whole/src/path.js": program(`"./busbar.config.ts"`),
      "whole/src/bus.js": moduleSource,
      "whole/src/subscribers/a.js": compiled,
    };
    // The compiler drops \`src\` if it is the \`rootDir\`.
    const dropped: Files = {
      "dropped/main.js": program(config),
      "dropped/bus.js": moduleSource,
      "dropped/subscribers/a.js": compiled,
    };
    const inPlace: Files = {
      "src/main.js": program(""),
      "busbar.config.js": sources["busbar.config.ts"]!,
      "src/bus.js": moduleSource,
      "src/subscribers/a.js": compiled,
    };
    const lines = await linesOf(
      { ...sources, ...whole, ...dropped, ...inPlace },
      "whole/src/value.js",
      "whole/src/file.js",
      "whole/src/path.js",
      "dropped/main.js",
      "src/main.js",
    );
    const times = (file: string, count: number): string[] =>
      Array<string>(count).fill(`compiled: ${file}`);
    expect(lines).toEqual([
      ...times("/whole/src/subscribers/a.js", 18),
      ...times("/dropped/subscribers/a.js", 6),
      ...times("/src/subscribers/a.js", 6),
    ]);
  });

  test("runs where only what was compiled is deployed, and may name its folder by a URL", async () => {
    const files = {
      "dist/path.js": program(config),
      "dist/url.js": program(
        config.replace('"./src/subscribers"', 'new URL("subscribers", import.meta.url)'),
      ),
      "dist/bus.js": moduleSource,
      "dist/subscribers/a.js": compiled,
    };
    const lines = await linesOf(files, "dist/path.js", "dist/url.js");
    expect(new Set(lines)).toEqual(new Set(["compiled: /dist/subscribers/a.js"]));
  });

  test("says what was not compiled", async () => {
    const files = {
      ...sources,
      "src/subs.ts": "export {};",
      "src/file.ts": "export {};",
      "dist/main.js": program(config),
      "dist/bus/index.js": moduleSource,
      "dist/subs.js": program(config.replace("src/bus.ts", "bus")),
      "dist/file.js": program(""),
    };
    const lines = await linesOf(files, "dist/main.js", "dist/subs.js", "dist/file.js");
    const advice =
      'compile both, and name the path as new URL("…", import.meta.url).href, or set `root`';
    const uncompiled = (file: string): string =>
      `is a source, but dist/${file}.js was compiled from src/${file}.ts: ${advice}`;
    expect([lines[0], lines[6], lines[12]]).toEqual([
      `Module "./src/bus.ts": ${uncompiled("main")}`,
      `Subscriber src/subscribers/a.ts: ${uncompiled("subs")}`,
      `Module "./src/bus.ts" (busbar.config.ts): ${uncompiled("file")}`,
    ]);
  });
});

describe("an application that is sent a signal", () => {
  /** Its handler holds until the file `release` appears. */
  const files: Files = {
    "busbar.config.js": `export default { modules: [{ resolve: "./bus.js" }], subscribers: "./subscribers" };`,
    "bus.js": moduleSource,
    "subscribers/slow.js": `
      import { watch } from "node:fs";
      export default async () => {
        const watcher = watch(process.cwd());
        console.log("handling");
        await new Promise((resolve) => watcher.on("change", (_, name) => name === "release" && resolve()));
        watcher.close();
        console.log("handled");
      };
      export const config = { event: "order.placed" };`,
  };
  const program = (extra = "") => `${imports}
    const logger = { debug() {}, info: (_, m) => console.log(m), warn: (_, m) => console.log(m), error: console.log };
    setInterval(() => {}, 1_000); // as a server would, keeps the process alive
    ${extra}
    const app = await createApp(undefined, { logger });
    await app.start();
    await app.bus.emit("order.placed", {});
  `;

  function start(extra?: string): { process: TestProcess; release: () => void } {
    const root = app({ ...files, "main.js": program(extra) });
    return {
      process: run(path.join(root, "main.js")),
      release: () => write(root, { release: "" }),
    };
  }

  test.for(["SIGTERM", "SIGINT"] as const)(
    "finishes what is in flight and ends by %s",
    async (signal) => {
      const { process, release } = start();
      await process.line("handling");
      process.child.kill(signal);
      await process.line("Stopping: waiting for deliveries in flight");
      release();
      expect(await process.ended).toBe(signal);
      expect(process.output()).toContain("handled");
    },
  );

  test("ends at once at a second signal", async () => {
    const { process } = start();
    await process.line("handling");
    process.child.kill("SIGTERM");
    await process.line("Stopping: waiting for deliveries in flight");
    process.child.kill("SIGINT");
    expect(await process.ended).toBe("SIGINT");
    expect(process.output()).not.toContain("handled");
  });

  test("leaves the end of the process to a listener of its own", async () => {
    const { process, release } = start(`
      process.once("SIGTERM", async () => {
        await app.stop();
        await new Promise((resolve) => setImmediate(resolve)); // as the close of a server takes
        console.log("server closed");
        process.exit(7);
      });`);
    await process.line("handling");
    process.child.kill("SIGTERM");
    await process.line("Stopping: waiting for deliveries in flight");
    release();
    expect(await process.ended).toBe(7);
    expect(process.output()).toContain("handled");
    expect(process.output()).toContain("server closed");
  });
});

describe("what is loaded", () => {
  /** Prints every file that is loaded from then on, and `mark` between the import and the application. */
  const listed = `
    import { register } from "node:module";
    import { writeSync } from "node:fs";
    const hooks = \`
      import { writeSync } from "node:fs";
      export async function load(url, context, next) {
        writeSync(1, "loaded " + url + "\\\\n");
        return next(url, context);
      }\`;
    register("data:text/javascript," + encodeURIComponent(hooks));
    const { createApp, createEventBus } = await import("@busbar/core");
    if (typeof createEventBus !== "function") process.exitCode = 1;
    writeSync(1, "mark\\n");
    const app = await createApp({ modules: [{ resolve: "./bus.js" }] });
    await app.stop();
  `;

  async function loaded(): Promise<Readonly<Record<"byImport" | "builtIns" | "byApp", string[]>>> {
    const root = project({ "main.js": listed, "bus.js": moduleSource });
    install(root, "@busbar/core", core.path);
    const output = (await finished(run(path.join(root, "main.js")))).split("\n");
    const files = (lines: string[]) => lines.filter((line) => line.startsWith("loaded file:"));
    const mark = output.indexOf("mark");
    const byImport = output.slice(0, mark);
    return {
      byImport: files(byImport),
      builtIns: byImport.filter((line) => line.startsWith("loaded node:")),
      byApp: files(output.slice(mark)),
    };
  }

  test("by an import of core is the bus only, and by createApp nothing that searches folders", async () => {
    const { byImport, builtIns, byApp } = await loaded();
    // Every file takes time at the start of each process.
    expect(byImport.map((file) => path.basename(file))).toEqual(["index.js", "kernel.js"]);
    const map = readFileSync(path.join(core.path, "dist/chunks/kernel.js.map"), "utf8");
    const { sources } = JSON.parse(map) as { readonly sources: readonly string[] };
    expect(sources.some((source) => source.endsWith("src/event-bus.ts"))).toBe(true);
    expect(sources.filter((source) => /src\/(app|workflows|memory)\//.test(source))).toEqual([]);
    // What an import reads of these loads parts of Node that most programs do not need.
    expect(builtIns).toContain("loaded node:async_hooks");
    expect(builtIns.filter((it) => /:(crypto|timers|util|worker_threads)$/.test(it))).toEqual([]);

    expect(byApp.some((file) => file.includes("/awilix/"))).toBe(true);
    expect(byApp.filter((file) => file.includes("fast-glob"))).toEqual([]);
  });
});
