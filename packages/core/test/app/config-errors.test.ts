import path from "node:path";
import { describe, expect, test } from "vitest";
import type { BusbarConfig } from "../../src/app/config.ts";
import type { InboxStore } from "../../src/contract/plugin.ts";
import { createApp } from "../../src/create-app.ts";
import { loadConfig } from "../../src/create-app.ts";
import { configErrorOf } from "./support/expect-config-error.ts";
import { project } from "./support/project.ts";
import { valueModule } from "./support/value-module.ts";

const small = valueModule();
const modules = [{ resolve: small }];
const anInbox = (): InboxStore => ({ createInbox: () => ({ name: "inbox" }) });

/** What is wrong, and the message; `config` is what a user without types may write. */
const mistakes: readonly { name: string; config: unknown; message: string }[] = [
  {
    name: "a misspelt key",
    config: { suscribers: "./src" },
    message: 'Configuration: suscribers: unknown key, did you mean "subscribers"?',
  },
  {
    name: "a key that is like no other",
    config: { database: 1 },
    message: "Configuration: database: unknown key; known are name, modules, subscribers",
  },
  {
    name: "several mistakes at once",
    config: { name: "a b", plugins: {}, role: "boss" },
    message:
      "Configuration: name: must be a string of 1 to 100 letters, digits, ., _ and -, not string; plugins: must be an array, not an object; " +
      'role: must be "shared", "server", "worker" or "tool", not "boss"',
  },
  {
    name: "no object",
    config: [],
    message: "must be an object made by defineConfig, not an array",
  },
  {
    name: "subscribers that are no paths",
    config: { subscribers: [1] },
    message:
      "subscribers[0]: must be a folder, { folder, defaults }, { modules, defaults }, or an array of these, not number",
  },
  {
    name: "defaults of a folder that a subscription cannot have",
    config: { subscribers: ["./a", { folder: "./b", defaults: { attempt: 3 } }] },
    message: 'subscribers[1].defaults.attempt: unknown key, did you mean "attempts"?',
  },
  {
    name: "modules of subscribers that are no object",
    config: { subscribers: { modules: [] } },
    message:
      "subscribers: must be a folder, { folder, defaults }, { modules, defaults }, or an array",
  },
  {
    name: "middleware that is no function",
    config: { middleware: ["log"] },
    message: "middleware: must be an array of functions, not an array",
  },
  {
    name: "a plugin without a name",
    config: { plugins: [{ name: "a" }, {}] },
    message: "plugins[1]: must be a plugin with a name",
  },
  {
    name: "a misspelt bus option",
    config: { bus: { graceMS: 1 } },
    message: 'bus.graceMS: unknown key, did you mean "graceMs"?',
  },
  {
    name: "a bus option with a value that it cannot have",
    config: { bus: { graceMs: -1 }, modules },
    message: "Configuration: bus.graceMs: must be a whole number from 0",
  },
  {
    name: "a logger without all its methods",
    config: { logger: { info() {} } },
    message: "logger: must have the methods debug, info, warn and error",
  },
  {
    name: "events that are no catalogue",
    config: { events: {} },
    message: "events: must be a catalogue made by defineEvents",
  },
  {
    name: "a service that is no resolver",
    config: { services: { payments: {} } },
    message: "services.payments: must be made by asValue, asFunction or asClass",
  },
  {
    name: "a service in the place of the bus",
    config: { services: { event_bus: {} } },
    message: "services.event_bus: is the bus itself",
  },
  {
    name: "a role that does not exist",
    config: { role: "boss", modules },
    message: 'role: must be "shared", "server", "worker" or "tool", not "boss"',
  },
  {
    name: "two event modules",
    config: { modules: [{ resolve: small }, { resolve: "@acme/busbar-nats" }] },
    message: 'modules: there can be one event module, not "small" and "@acme/busbar-nats"',
  },
  {
    name: "two event modules by key",
    config: { modules: { eventBus: { resolve: "@acme/a" }, event_bus: { resolve: "@acme/b" } } },
    message: 'there can be one event module, not "@acme/a" and "@acme/b"',
  },
  {
    name: "a module key that does not exist",
    config: { modules: { eventbus: { resolve: small } } },
    message: 'modules.eventbus: unknown key, did you mean "eventBus"?',
  },
  {
    name: "a module entry for something else",
    config: { modules: [{ resolve: small, key: "cache" }] },
    message: 'modules[0].key: must be "eventBus" or "event_bus", not "cache"',
  },
  {
    name: "a module entry whose inbox is no store",
    config: { modules: [{ resolve: small, inbox: true }] },
    message:
      "modules[0].inbox: must be a store of @busbar/outbox, such as pgStore({ pool }), not boolean",
  },
  {
    name: "an inbox that is no store",
    config: { inbox: {} },
    message: "inbox: must be a store of @busbar/outbox, such as pgStore({ pool }), not an object",
  },
  {
    name: "two inboxes",
    config: { inbox: anInbox(), modules: [{ resolve: small, inbox: anInbox() }] },
    message: "inbox: is given to the module as well: remove it there",
  },
  {
    name: "a module entry without resolve",
    config: { modules: [{ options: {} }] },
    message: "modules[0].resolve: must be a package name, a path or a module, not undefined",
  },
  {
    name: "a module entry that is no object",
    config: { modules: ["@busbar/redis"] },
    message: "modules[0]: must be an object with `resolve`, not string",
  },
];

describe("createApp", () => {
  test.for(mistakes)("refuses $name", async ({ config, message }) => {
    const error = await configErrorOf(createApp(config as BusbarConfig));
    expect(error.message).toContain(message);
    expect(error.details.issues.length).toBeGreaterThan(0);
  });

  test("names the variable when BUSBAR_ROLE is no role", async ({ onTestFinished }) => {
    process.env["BUSBAR_ROLE"] = "boss";
    onTestFinished(() => void delete process.env["BUSBAR_ROLE"]);
    const error = await configErrorOf(createApp({ modules }));
    expect(error.message).toContain(
      'BUSBAR_ROLE: must be "shared", "server", "worker" or "tool", not "boss"',
    );
  });
});

describe("loadConfig", () => {
  test("finds the configuration in a directory, and resolves root from it", async () => {
    const root = project({
      "busbar.config.mjs": "export default { name: 'shop', root: './app' };",
    });
    const loaded = await loadConfig({ root });
    expect(loaded).toMatchObject({
      config: { name: "shop" },
      file: path.join(root, "busbar.config.mjs"),
      root: path.join(root, "app"),
    });
  });

  test("prefers TypeScript in development, and JavaScript in production", async ({
    onTestFinished,
  }) => {
    const root = project({
      "busbar.config.ts": "export default { name: 'source' as string };",
      "busbar.config.js": "export default { name: 'compiled' };",
    });
    expect((await loadConfig({ root })).config.name).toBe("source");
    const before = process.env["NODE_ENV"];
    process.env["NODE_ENV"] = "production";
    onTestFinished(() => void (process.env["NODE_ENV"] = before));
    expect((await loadConfig({ root })).config.name).toBe("compiled");
  });

  test("says where it has looked when there is no configuration", async () => {
    const root = project({});
    const error = await configErrorOf(loadConfig({ root }));
    expect(error.message).toContain(`there is no busbar.config.{ts,mts,cts,js,mjs,cjs} in ${root}`);
  });

  test.for([
    ["that does not exist", undefined, "there is no such file"],
    ["without a default export", "export const name = 1;", "has no default export"],
    ["that throws", "throw new Error('no database');", "cannot be loaded: no database"],
    ["that is not JavaScript", "export default {{;", "cannot be loaded: "],
    ["with a misspelt key", "export default { nmae: 'x' };", 'did you mean "name"?'],
  ] as const)("names the file %s", async ([, text, reason]) => {
    const root = project(text === undefined ? {} : { "my.config.js": text });
    const error = await configErrorOf(loadConfig({ root, file: "my.config.js" }));
    const file = path.join(root, "my.config.js");
    expect(error.message).toContain(`Configuration (${file}): `);
    expect(error.message).toContain(reason);
    expect(error.details.file).toBe(file);
  });

  test("keeps what a configuration threw as the cause", async () => {
    const root = project({ "busbar.config.js": "throw new RangeError('no database');" });
    const error = await configErrorOf(loadConfig({ root }));
    expect(error.cause).toMatchObject({ name: "RangeError", message: "no database" });
  });
});
