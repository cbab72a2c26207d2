import module from "node:module";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createApp } from "../../src/create-app.ts";
import type { Logger } from "../../src/contract/logger.ts";
import { configErrorOf } from "./support/expect-config-error.ts";
import { type Files, moduleSource, project } from "./support/project.ts";
import { valueModule } from "./support/value-module.ts";

const packageFiles = (name: string, exports: unknown): Files => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, type: "module", exports }),
  [`node_modules/${name}/entry.js`]: moduleSource,
});

/** A logger that keeps what it is told, as `level: message`. */
function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (_: object, message: string) =>
    void lines.push(`${level}: ${message}`);
  return {
    lines,
    logger: {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    },
  };
}

describe("createApp resolves its event module", () => {
  const found: readonly { name: string; resolve: string; files: Files }[] = [
    {
      name: "a package whose exports have only the condition import",
      resolve: "@acme/bus",
      files: packageFiles("@acme/bus", { ".": { import: "./entry.js" } }),
    },
    {
      name: "a package whose exports have only a default",
      resolve: "acme-bus",
      files: packageFiles("acme-bus", { ".": { types: "./none.d.ts", default: "./entry.js" } }),
    },
    {
      name: "a subpath of a package",
      resolve: "@acme/tools/bus",
      files: packageFiles("@acme/tools", { "./bus": "./entry.js" }),
    },
    {
      name: "a package whose exports have a condition of this process",
      resolve: "@acme/source",
      files: packageFiles("@acme/source", { ".": { "@busbar/source": "./entry.js" } }),
    },
    { name: "a file", resolve: "./src/bus.mjs", files: { "src/bus.mjs": moduleSource } },
    {
      name: "a file without its extension",
      resolve: "./src/bus",
      files: { "src/bus.js": moduleSource },
    },
    {
      name: "a TypeScript path whose file was compiled",
      resolve: "./src/bus.ts",
      files: { "src/bus.js": moduleSource },
    },
    {
      name: "a directory with an index file",
      resolve: "./bus",
      files: { "bus/index.ts": moduleSource.replace("(name)", "(name: string)") },
    },
    {
      name: "a directory with a package.json",
      resolve: "./bus",
      files: { "bus/package.json": '{ "main": "lib/main.mjs" }', "bus/lib/main.mjs": moduleSource },
    },
  ];

  test.for(found)("from $name", async ({ resolve, files }) => {
    const app = await createApp({ modules: [{ resolve }], root: project(files) });
    await app.start();
    expect(await app.bus.emit("order.placed", {})).toHaveLength(1);
    await app.stop();
  });

  test("from an absolute path", async () => {
    const root = project({ "bus.js": moduleSource });
    const app = await createApp({ modules: { eventBus: { resolve: path.join(root, "bus.js") } } });
    await app.stop();
  });

  test("from a value, in either form and under either key", async () => {
    for (const modules of [
      [{ resolve: valueModule(), key: "event_bus" as const }],
      { eventBus: { resolve: valueModule() } },
      { event_bus: { resolve: valueModule() } },
      [{ resolve: "@acme/none", disable: true }, { resolve: valueModule() }],
    ]) {
      await (await createApp({ modules })).stop();
    }
  });

  test("from the application, and not from this package", async () => {
    const root = project({});
    const error = await configErrorOf(createApp({ modules: [{ resolve: "zod" }], root }));
    expect(error.message).toContain(`is not installed in ${root}: run "npm install zod"`);
  });
});

describe("createApp without an event module", () => {
  test.for([
    [
      "development",
      "info: No event module is configured: events are kept in memory by @busbar/local",
    ],
    [
      "production",
      "warn: No event module is configured: events are kept in memory by @busbar/local, and lost with the process",
    ],
  ] as const)(
    "uses @busbar/local, and says so once in %s",
    async ([env, line], { onTestFinished }) => {
      const before = process.env["NODE_ENV"];
      process.env["NODE_ENV"] = env;
      onTestFinished(() => void (process.env["NODE_ENV"] = before));
      const { logger, lines } = recorder();
      const root = project(packageFiles("@busbar/local", "./entry.js"));
      const app = await createApp({ root, logger });
      await app.start();
      await app.stop();
      expect(lines.filter((each) => each.includes("@busbar/local"))).toEqual([line]);
    },
  );

  test("says how to install @busbar/local when it is missing", async () => {
    const root = project({});
    const error = await configErrorOf(createApp({ root }));
    expect(error.message).toBe(
      'Module "@busbar/local": is used when no event module is configured, but is not installed in ' +
        `${root}: run "npm install @busbar/local", or configure an event module in \`modules\``,
    );
    expect(error.details.module).toBe("@busbar/local");
  });
});

describe("createApp validates the options of its event module", () => {
  const options = z.object({
    redisUrl: z.string(),
    servers: z.array(z.object({ port: z.number() })).default([]),
  });

  test("and passes on the output of their schema, with logger and name", async () => {
    const seen: unknown[] = [];
    const { logger } = recorder();
    const resolve = {
      name: "shaped",
      options: options.transform(async (value) => ({ ...value, pooled: true })),
      provider: (given: unknown, dependencies: object) => {
        seen.push(given, dependencies);
        return valueModule().provider(undefined, { logger, name: "" });
      },
    };
    const modules = [{ resolve, options: { redisUrl: "redis://localhost" } }];
    await (await createApp({ modules, logger, name: "shop" })).stop();
    expect(seen).toEqual([
      { redisUrl: "redis://localhost", servers: [], pooled: true },
      { logger, name: "shop" },
    ]);
  });

  test("as {} when there are none", async () => {
    const resolve = { ...valueModule(), options: z.object({ size: z.number().optional() }) };
    await (await createApp({ modules: [{ resolve }] })).stop();
  });

  test("and names each option that is wrong", async () => {
    const root = project({});
    const resolve = { ...valueModule(), name: "@acme/redis", options };
    const modules = [{ resolve, options: { redisUrl: 1, servers: [{ port: "x" }] } }];
    const error = await configErrorOf(createApp({ modules, root }));
    expect(error.message).toBe(
      'Module "@acme/redis": options.redisUrl: Invalid input: expected string, received number; ' +
        "options.servers[0].port: Invalid input: expected number, received string",
    );
    expect(error.details).toEqual({
      module: "@acme/redis",
      file: undefined,
      issues: [
        { path: "options.redisUrl", reason: "Invalid input: expected string, received number" },
        {
          path: "options.servers[0].port",
          reason: "Invalid input: expected number, received string",
        },
      ],
    });
  });
});

describe("createApp with Yarn's Plug'n'Play, where there is no node_modules", () => {
  /** As Yarn patches Node: asks the application's map of packages. */
  function plugAndPlay(packages: Readonly<Record<string, string>>): void {
    const api = {
      resolveRequest(request: string, issuer: string, options: { conditions: Set<string> }) {
        const found = options.conditions.has("import") ? packages[request] : undefined;
        if (found !== undefined) return path.resolve(path.dirname(issuer), found);
        throw Object.assign(new Error("not listed"), { code: "MODULE_NOT_FOUND" });
      },
    };
    Object.assign(module, { findPnpApi: () => api });
    onTestFinished(() => void Reflect.deleteProperty(module, "findPnpApi"));
  }

  test("finds a package by its name", async () => {
    const root = project({ "cache/bus.js": moduleSource });
    plugAndPlay({ "@acme/bus": "./cache/bus.js" });
    const app = await createApp({ modules: [{ resolve: "@acme/bus" }], root });
    await app.stop();
  });

  test("says to install a package that is not there", async () => {
    plugAndPlay({});
    const error = await configErrorOf(
      createApp({ modules: [{ resolve: "@acme/bus/x" }], root: project({}) }),
    );
    expect(error.message).toContain('run "npm install @acme/bus"');
  });
});

describe("createApp names module, file and reason when its event module", () => {
  const provider =
    "provider: () => ({ name: 'x', capabilities: {}, start() {}, publish() {}, consume() {}, stop() {} })";
  const broken: readonly { name: string; source: string; reason: string }[] = [
    {
      name: "has no default export",
      source: "export const x = 1;",
      reason: "has no default export",
    },
    {
      name: "exports a function by default",
      source: "export default () => {};",
      reason: "its default export is function: write `export default defineEventModule(",
    },
    {
      name: "has no provider function",
      source: "export default { name: 'x' };",
      reason: "its default export has no provider function",
    },
    {
      name: "has no name",
      source: `export default { ${provider} };`,
      reason: "its default export has no name",
    },
    {
      name: "has options that are no schema",
      source: `export default { name: 'x', options: {}, ${provider} };`,
      reason: "its options are no Standard Schema",
    },
    {
      name: "has a schema that throws",
      source: `export default { name: 'x', options: { '~standard': { validate() { throw new Error('oops'); } } }, ${provider} };`,
      reason: "options: cannot be validated: oops",
    },
    {
      name: "throws on import",
      source: "throw new Error('no licence');",
      reason: "cannot be loaded: no licence",
    },
    { name: "does not parse", source: "export default {{", reason: "cannot be loaded: " },
    {
      name: "imports what is not there",
      source: "import '@acme/missing';",
      reason: "cannot be loaded: ",
    },
    {
      name: "fails to make its provider",
      source: "export default { name: 'x', provider() { throw new Error('no port'); } };",
      reason: "its provider function failed: no port",
    },
    {
      name: "makes no provider",
      source: "export default { name: 'x', async provider() {} };",
      reason: "what its provider function returned is no EventProvider: it is undefined",
    },
    {
      name: "makes a provider that lacks parts",
      source:
        "export default { name: 'x', provider: () => ({ name: 'x', start() {}, publish() {} }) };",
      reason: "is no EventProvider: no capabilities, no consume(), no stop()",
    },
  ];

  test.for(broken)("$name", async ({ source, reason }) => {
    const config = 'export default { modules: [{ resolve: "./bus.js" }] };';
    const root = project({ "busbar.config.js": config, "bus.js": source });
    const file = path.join(root, "busbar.config.js");
    const error = await configErrorOf(createApp(undefined, { root }));
    expect(error.message).toContain(`Module "./bus.js" (${file}): `);
    expect(error.message).toContain(reason);
    expect(error.details).toMatchObject({ module: "./bus.js", file });
  });

  test("keeps what the module threw as the cause", async () => {
    const root = project({ "bus.js": "throw new RangeError('no licence');" });
    const error = await configErrorOf(createApp({ modules: [{ resolve: "./bus.js" }], root }));
    expect(error.cause).toMatchObject({ name: "RangeError", message: "no licence" });
  });

  test.for([
    ["./nothing", "there is no such file, nor a directory with an index file"],
    ["@acme/none/sub", 'run "npm install @acme/none"'],
    ["@acme/closed", "cannot be resolved: "],
  ] as const)("cannot be resolved: %s", async ([resolve, reason]) => {
    const root = project(packageFiles("@acme/closed", { "./only": "./entry.js" }));
    const error = await configErrorOf(createApp({ modules: [{ resolve }], root }));
    expect(error.message).toContain(`Module "${resolve}": `);
    expect(error.message).toContain(reason);
  });
});
