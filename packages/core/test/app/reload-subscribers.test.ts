import { EventEmitter } from "node:events";
import { rmSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { App, AppOverrides } from "../../src/app/app.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { createApp } from "../../src/create-app.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { configErrorOf } from "./support/expect-config-error.ts";
import { providerLike } from "../support/test-bus.ts";
import { type Files, project, write } from "./support/project.ts";

interface Message {
  readonly subscriberId: string;
  readonly version: string;
}

/** A subscriber that says which version of its file has run. */
function says(version: string, event = "order.placed", context = "{}"): string {
  return `
    export default ({ event, subscriberId, container }) => {
      container.resolve("said").push({ subscriberId, version: "${version}" });
    };
    export const config = { event: ${JSON.stringify(event.split(" "))}, context: ${context} };`;
}

interface RunningApp {
  readonly root: string;
  readonly app: App;
  /** Changes files, and loads them again. */
  change(files: Files): ReturnType<App["reloadSubscribers"]>;
  /** Emits an event, and resolves with what subscribers said. */
  emit(name: string): Promise<string[]>;
}

async function running(files: Files, overrides: AppOverrides = {}): Promise<RunningApp> {
  const root = project(files);
  const said: Message[] = [];
  const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  const app = await createApp(
    {
      modules: [{ resolve: { name: "memory", provider: () => provider } }],
      subscribers: "./subs",
      services: { said: { resolve: () => said } as never },
      root,
    },
    { signals: false, logger: false, ...overrides },
  );
  onTestFinished(() => app.stop());
  await app.start();
  let later = 0;
  return {
    root,
    app,
    change(changed) {
      write(root, changed);
      // A test changes files faster than some file systems count.
      later += 1;
      for (const name of Object.keys(changed)) {
        const file = path.join(root, name);
        const { atime, mtimeMs } = statSync(file);
        utimesSync(file, atime, new Date(mtimeMs + later * 1_000));
      }
      return app.reloadSubscribers();
    },
    async emit(name) {
      said.length = 0;
      await app.bus.emit(name, {});
      await app.bus.settled();
      return said.map(({ subscriberId, version }) => `${subscriberId} ${version}`).toSorted();
    },
  };
}

test("a file that has changed replaces its handler, and the others stay", async () => {
  const { change, emit } = await running({ "subs/a.js": says("1"), "subs/b.js": says("1") });
  expect(await emit("order.placed")).toEqual(["a 1", "b 1"]);
  const changes = await change({ "subs/a.js": says("2") });
  expect(changes).toEqual({ added: [], changed: ["a"], removed: [] });
  expect(await emit("order.placed")).toEqual(["a 2", "b 1"]);
  await change({ "subs/a.js": says("3") });
  expect(await emit("order.placed")).toEqual(["a 3", "b 1"]);
});

test("CommonJS and TypeScript are loaded again as well", async () => {
  const cjs = (version: string): string =>
    `${says(version)}`
      .replace("export default", "exports.default =")
      .replace("export const config", "exports.config");
  const { change, emit } = await running({ "subs/a.cjs": cjs("1"), "subs/b.ts": says("1") });
  expect(await emit("order.placed")).toEqual(["a 1", "b 1"]);
  await change({ "subs/a.cjs": cjs("2"), "subs/b.ts": says("2") });
  expect(await emit("order.placed")).toEqual(["a 2", "b 2"]);
});

test("files that come and go begin and end their subscriptions", async () => {
  const { app, change, emit, root } = await running({ "subs/a.js": says("1") });
  rmSync(path.join(root, "subs/a.js"));
  const changes = await change({ "subs/b.js": says("1", "order.paid") });
  expect(changes).toEqual({ added: ["b"], changed: [], removed: ["a"] });
  expect(await emit("order.placed")).toEqual([]);
  expect(await emit("order.paid")).toEqual(["b 1"]);
  expect(await app.reloadSubscribers()).toEqual({ added: [], changed: [], removed: [] });
});

test("other events take the place of those before", async () => {
  const { change, emit } = await running({ "subs/a.js": says("1", "order.placed order.paid") });
  await change({ "subs/a.js": says("2", "order.paid order.sent") });
  expect(await emit("order.placed")).toEqual([]);
  expect(await emit("order.paid")).toEqual(["a 2"]);
  expect(await emit("order.sent")).toEqual(["a 2"]);
  await change({ "subs/a.js": says("3", "user.registered", "{ attempts: 3 }") });
  expect(await emit("order.paid")).toEqual([]);
  expect(await emit("user.registered")).toEqual(["a 3"]);
});

test("a file that has moved keeps its subscription by its id", async () => {
  const mail = "{ subscriberId: 'mail' }";
  const { change, emit, root } = await running({ "subs/a.js": says("1", "order.placed", mail) });
  rmSync(path.join(root, "subs/a.js"));
  const changes = await change({ "subs/mails/a.js": says("2", "order.placed", mail) });
  expect(changes).toEqual({ added: [], changed: ["mail"], removed: [] });
  expect(await emit("order.placed")).toEqual(["mail 2"]);
});

test("a policy that has changed holds for the next delivery", async () => {
  const failing = (context: string): string =>
    `export default () => { throw new Error("no"); };
     export const config = { event: "order.placed", context: ${context} };`;
  const specs: number[] = [];
  const { app, change, emit } = await running(
    { "subs/a.js": failing("{ attempts: 2 }") },
    {
      wrapProvider: (provider) =>
        providerLike(provider, {
          consume(spec, deliver) {
            specs.push(spec.concurrency);
            return provider.consume(spec, deliver);
          },
        }),
    },
  );
  const failed: string[] = [];
  app.bus.on("failed", ({ attempt, attempts }) => void failed.push(`${attempt} of ${attempts}`));
  await emit("order.placed");
  await change({ "subs/a.js": failing("{ attempts: 3, concurrency: 1 }") });
  await emit("order.placed");
  expect(failed).toEqual(["1 of 2", "2 of 2", "1 of 3", "2 of 3", "3 of 3"]);
  expect(specs).toEqual([10, 1]);
});

test("a file that is wrong changes nothing, and counts once it is right", async () => {
  const { app, change, emit } = await running({ "subs/a.js": says("1"), "subs/b.js": says("1") });
  const error = await configErrorOf(
    change({ "subs/a.js": says("2"), "subs/b.js": "export default 1;" }),
  );
  expect(error.message).toContain("b.js");
  expect(await emit("order.placed")).toEqual(["a 1", "b 1"]);
  const [first, second] = await Promise.all([
    change({ "subs/b.js": says("3") }),
    app.reloadSubscribers(),
  ]);
  expect(first.changed).toEqual(["a", "b"]);
  expect(second.changed).toEqual([]);
  expect(await emit("order.placed")).toEqual(["a 2", "b 3"]);
});

test("a file that comes back is loaded anew", async () => {
  const { app, change, emit, root } = await running({ "subs/a.js": says("1") });
  rmSync(path.join(root, "subs/a.js"));
  await app.reloadSubscribers();
  const changes = await change({ "subs/a.js": says("2") });
  expect(changes.added).toEqual(["a"]);
  expect(await emit("order.placed")).toEqual(["a 2"]);
});

describe("a subscriber that the bus refuses", () => {
  const unordered: AppOverrides = {
    wrapProvider: (provider) =>
      providerLike(provider, { capabilities: { ...provider.capabilities, ordering: false } }),
  };
  const ordered = '{ ordering: "key" }';
  const code = "BUSBAR_UNSUPPORTED";

  test("leaves no other one out, and its earlier handler goes on with all of its events", async () => {
    const { app, change, emit } = await running(
      {
        "subs/a.js": says("1", "order.placed order.paid"),
        "subs/b.js": says("1", "order.placed order.paid"),
        "subs/c.js": says("1", "order.placed order.paid"),
      },
      unordered,
    );
    const changed = change({
      "subs/a.js": says("2", "order.placed"),
      "subs/b.js": says("2", "order.placed", ordered),
      "subs/c.js": says("2", "order.sent"),
      "subs/d.js": says("2", "order.placed"),
    });
    await expect(changed).rejects.toMatchObject({
      code,
      message: expect.stringContaining("b.js") as string,
    });
    expect(await emit("order.placed")).toEqual(["a 2", "b 1", "d 2"]);
    expect(await emit("order.paid")).toEqual(["b 1"]);
    expect(await emit("order.sent")).toEqual(["c 2"]);
    await expect(app.reloadSubscribers()).rejects.toMatchObject({ code });
    const mended = await change({ "subs/b.js": says("3", "order.sent") });
    expect(mended).toEqual({ added: [], changed: ["b"], removed: [] });
    expect(await emit("order.placed")).toEqual(["a 2", "d 2"]);
    expect(await emit("order.sent")).toEqual(["b 3", "c 2"]);
  });

  test("is named with the others, and tried again by the next reload", async () => {
    const { app, change, emit } = await running({ "subs/a.js": says("1") }, unordered);
    const handler = (): void => {};
    app.bus.subscribe("order.placed", handler, { subscriberId: "b" });
    const error = await configErrorOf(
      change({ "subs/a.js": says("2", "order.placed", ordered), "subs/b.js": says("2") }),
    );
    expect(error.details.issues.map(({ path: place }) => place)).toEqual([
      expect.stringMatching(/a\.js/),
      expect.stringMatching(/b\.js/),
    ]);
    expect(await emit("order.placed")).toEqual(["a 1"]);
    app.bus.unsubscribe("order.placed", handler, { subscriberId: "b" });
    const { added } = await change({ "subs/a.js": says("3") });
    expect(added).toEqual(["b"]);
    expect(await emit("order.placed")).toEqual(["a 3", "b 2"]);
  });
});

describe.each([
  ["in this process", {}],
  ["everywhere", { everywhere: true }],
])("a pause %s outlasts a reload", (_, options) => {
  test.each([
    ["of the handler", "subs/a.js", "order.placed"],
    ["with other events only", "subs/a.js", "order.paid"],
    ["from another file", "subs/more/a.js", "order.placed"],
    ["from another file with other events", "subs/more/a.js", "order.paid"],
  ])("%s", async (__, file, event) => {
    const context = "{ subscriberId: 'mail', attempts: 2 }";
    const { app, change, root } = await running({
      "subs/a.js": says("1", "order.placed", "{ subscriberId: 'mail' }"),
    });
    await app.bus.pause("mail", options);
    if (file !== "subs/a.js") rmSync(path.join(root, "subs/a.js"));
    const { changed } = await change({ [file]: says("2", event, context) });
    expect(changed).toEqual(["mail"]);
    await app.bus.emit(event, {});
    const [inspected] = (await app.bus.inspect()).subscriptions;
    expect(inspected).toMatchObject({ ownEvents: [event], declaredEvents: [event], ready: 1 });
    await app.bus.resume("mail", options);
    await app.bus.settled();
    expect((await app.bus.inspect()).counters).toMatchObject({ acknowledged: 1 });
  });
});

test.each([
  [
    "throws",
    () => {
      throw new Error("no wrapper");
    },
  ],
  ["returns no provider", () => ({}) as EventProvider],
])("the provider is stopped when wrapProvider %s", async (_, wrapProvider) => {
  const inner = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  let stops = 0;
  const provider = providerLike(inner, { stop: async () => void (stops += 1) });
  const modules = [{ resolve: { name: "memory", provider: () => provider } }];
  await expect(createApp({ modules }, { logger: false, wrapProvider })).rejects.toThrow();
  expect(stops).toBe(1);
});

test("an option of createApp that is no function is refused", async () => {
  const promise = createApp({}, { wrapProvider: true as never });
  await expect(promise).rejects.toThrow("wrapProvider");
});
