import path from "node:path";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/create-app.ts";
import { asValue } from "../../src/app/container.ts";
import { makeSubscriber, type SubscriberModule } from "../../src/events/subscriber.ts";
import { configErrorOf } from "./support/expect-config-error.ts";
import { type Files, project } from "./support/project.ts";
import { valueModule } from "./support/value-module.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";

/** A subscriber of `order.placed` that does nothing. */
const idle = "export default () => {}; export const config = { event: 'order.placed' };";

/** The ids that an application declares for its subscriber files, in their order. */
async function idsOf(
  files: Files,
  folders: string | readonly string[] = "./subs",
): Promise<string[]> {
  const module = valueModule();
  const app = await createApp({
    modules: [{ resolve: module }],
    subscribers: folders,
    root: project(files),
  });
  await app.start();
  await app.stop();
  return module.calls
    .filter((call) => call.startsWith("consume "))
    .map((call) => call.slice("consume ".length));
}

/** Fails each time. */
const failing = "export default () => { throw new Error('no') }; ";

describe("createApp loads subscribers", () => {
  test("with the defaults of their folder, then those of the bus", async () => {
    const config = (context: string): string =>
      `${failing}export const config = { event: 'order.placed', context: ${context} };`;
    const app = await createApp({
      modules: [{ resolve: valueModule() }],
      bus: { subscriptionDefaults: { attempts: 2 }, defaults: { attempts: 9 } },
      subscribers: [{ folder: "./mails", defaults: { attempts: 3 } }, "./others"],
      root: project({
        "mails/folder.js": config("{}"),
        "mails/own.js": config("{ attempts: 4 }"),
        "others/bus.js": config("{}"),
      }),
    });
    const told: string[] = [];
    app.bus.on("failed", ({ subscriberId, attempts }) => {
      told.push(`${subscriberId} ${attempts}`);
    });
    await app.start();
    await app.bus.emit("order.placed", 1);
    await app.stop();
    expect(told.toSorted()).toEqual(["bus 2", "folder 3", "own 4"]);
  });

  test("with a batch in its context, a file gets the events of a batch", async () => {
    const services = { seen: asValue<unknown[]>([]) };
    const app = await createApp({
      modules: [{ resolve: valueModule() }],
      services,
      subscribers: "./subs",
      root: project({
        "subs/index.js": `
          export default ({ events, container, attempt }) =>
            container.resolve("seen").push(events.map((event) => [event.data, attempt(event)]));
          export const config = { event: "a", context: { batch: { maxEvents: 5 } } };`,
      }),
    });
    await app.start();
    await app.bus.emit([1, 2].map((data) => ({ name: "a", data })));
    await app.bus.settled();
    expect(app.container.resolve("seen")).toEqual([
      [
        [1, 1],
        [2, 1],
      ],
    ]);
    await app.stop();
  });

  test("with ids that are their paths, in the order of these", async () => {
    const ids = await idsOf({
      "subs/z.js": idle,
      "subs/orders/send-receipt.ts": idle,
      "subs/orders/archive.mjs": idle,
      "subs/a.mts": idle,
    });
    expect(ids).toEqual(["a", "orders/archive", "orders/send-receipt", "z"]);
  });

  test("with the folder's path as the id of an index file", async () => {
    expect(await idsOf({ "subs/orders/index.ts": idle, "subs/index.ts": idle })).toEqual([
      "index",
      "orders",
    ]);
  });

  test("of every kind of module", async () => {
    const cjs = "module.exports = () => {}; module.exports.config = { event: 'a' };";
    const ids = await idsOf({
      "subs/a.cjs": cjs,
      "subs/b.cjs": "exports.default = () => {}; exports.config = { event: 'a' };",
      "subs/c.cts": idle,
      "subs/d.mts": idle.replace("()", "(_: object)"),
      "subs/e.mjs": idle,
    });
    expect(ids).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("with the same id whether the file system composes or decomposes their names", async () => {
    const composed = "caf\u00E9/re\u00E7u";
    expect(await idsOf({ [`subs/${composed.normalize("NFD")}.js`]: idle })).toEqual([composed]);
    const both = { [`subs/${composed}.js`]: idle, [`subs/${composed.normalize("NFD")}.js`]: idle };
    const error = await configErrorOf(idsOf(both));
    expect(error.message).toContain(`the id "${composed}" belongs to `);
  });

  test("and warns of a folder that has none", async () => {
    const root = project({ "subs/_helper.js": idle, "subs/a.test.js": idle });
    const logger = createRecordingLogger();
    await createApp({ modules: [{ resolve: valueModule() }], subscribers: "subs", root, logger });
    expect(logger.lines).toEqual([
      {
        level: "warn",
        fields: { folder: path.join(root, "subs") },
        message: `There is no subscriber file in ${root}/subs: tests, and names that begin with _ or ., are ignored`,
      },
    ]);
  });

  test("but no tests, declarations, hidden and underscored files", async () => {
    const ids = await idsOf({
      "subs/real.ts": idle,
      "subs/real.test.ts": "throw 1",
      "subs/real.spec.js": "throw 1",
      "subs/types.d.ts": "throw 1",
      "subs/_helper.ts": "throw 1",
      "subs/_lib/helper.ts": "throw 1",
      "subs/__tests__/real.ts": "throw 1",
      "subs/.hidden.js": "throw 1",
      "subs/node_modules/x/index.js": "throw 1",
      "subs/readme.md": "",
      "subs/real.js.map": "",
    });
    expect(ids).toEqual(["real"]);
  });

  test("of several folders", async () => {
    expect(await idsOf({ "one/a.js": idle, "two/b.js": idle }, ["./two", "one"])).toEqual([
      "b",
      "a",
    ]);
  });

  test.for([
    ["development", "source"],
    ["production", "compiled"],
  ] as const)("in %s from the %s file of two", async ([env, from], { onTestFinished }) => {
    const before = process.env["NODE_ENV"];
    process.env["NODE_ENV"] = env;
    onTestFinished(() => void (process.env["NODE_ENV"] = before));
    const named = (id: string) =>
      `export default () => {}; export const config = { event: 'a', context: { subscriberId: '${id}' } };`;
    const ids = await idsOf({
      "subs/a.ts": named("source"),
      "subs/a.js": named("compiled"),
    });
    expect(ids).toEqual([from]);
  });

  test("and calls them with the event, and what they may know of the run", async () => {
    const module = valueModule();
    const root = project({
      "subs/place.ts": `
        export default async ({ event, container, signal, attempt, subscriberId, logger }) => {
          container.resolve("notes").push({
            name: event.name, data: event.data, aborted: signal.aborted, attempt, subscriberId,
            logger: typeof logger.info, bus: typeof container.resolve("event_bus").emit,
          });
        };
        export const config = { event: ["order.placed", "order.paid"], context: { subscriberId: "mine" } };`,
    });
    const notes: unknown[] = [];
    const services = { notes: asValue(notes) };
    const modules = [{ resolve: module }];
    const app = await createApp({ modules, subscribers: "subs", services, root });
    await app.start();
    await app.bus.emit("order.placed", { id: 1 });
    await app.bus.emit("order.paid", { id: 1 });
    await app.stop();
    const run = {
      aborted: false,
      attempt: 1,
      subscriberId: "mine",
      logger: "function",
      bus: "function",
    };
    expect(notes).toEqual([
      { name: "order.placed", data: { id: 1 }, ...run },
      { name: "order.paid", data: { id: 1 }, ...run },
    ]);
  });
});

describe("createApp takes subscribers as modules", () => {
  async function idsOfModules(
    modules: Readonly<Record<string, SubscriberModule>>,
  ): Promise<string[]> {
    const module = valueModule();
    const app = await createApp({ modules: [{ resolve: module }], subscribers: { modules } });
    await app.start();
    await app.stop();
    return module.calls.filter((call) => call.startsWith("consume "));
  }

  test("whose keys are their ids, unless they have their own", async () => {
    const config = { event: "order.placed" };
    const context = { subscriberId: "own" };
    const ids = await idsOfModules({
      "orders/send-receipt": { default: () => {}, config },
      archive: { default: () => {}, config: { ...config, context } },
    });
    expect(ids).toEqual(["consume orders/send-receipt", "consume own"]);
  });

  test("and calls them, those of a catalogue too", async () => {
    const seen: unknown[] = [];
    const subscriber = makeSubscriber("order.placed", ({ event, subscriberId }) => {
      seen.push([subscriberId, event.data]);
    });
    const app = await createApp({
      modules: [{ resolve: valueModule() }],
      subscribers: { modules: { "send-receipt": { default: subscriber } } },
    });
    await app.start();
    await app.bus.emit("order.placed", { id: 1 });
    await app.stop();
    expect(seen).toEqual([["send-receipt", { id: 1 }]]);
  });

  test("and names the module, and all that is wrong", async () => {
    const wrong = { a: { default: 1 }, b: "./b.ts", "": { default: () => {}, config: {} } };
    const error = await configErrorOf(
      // What a configuration in JavaScript may hold.
      idsOfModules(wrong as unknown as Readonly<Record<string, SubscriberModule>>),
    );
    expect(error.message).toContain("a: default export: must be a handler function; it is number");
    expect(error.message).toContain("b: must be the exports of a module, not string");
    expect(error.details.file).toBeUndefined();
  });

  test("but not two of one id", async () => {
    const config = { event: "a", context: { subscriberId: "orders" } };
    const error = await configErrorOf(
      idsOfModules({ orders: { default: () => {}, config }, paid: { default: () => {}, config } }),
    );
    expect(error.message).toContain('Subscriber paid: the id "orders" belongs to orders');
  });
});

describe("createApp refuses a subscriber file", () => {
  const config = (text: string) => `export default () => {}; export const config = ${text};`;
  const broken: readonly { name: string; source: string; reason: string }[] = [
    {
      name: "without a default export",
      source: "export const config = { event: 'a' };",
      reason: "default export: must be a handler function; there is none",
    },
    {
      name: "whose default export is no function",
      source: "export default {}; export const config = { event: 'a' };",
      reason: "default export: must be a handler function; it is an object",
    },
    {
      name: "without a config",
      source: "export default () => {};",
      reason: 'config: must be exported, as `{ event: "…" }`; there is none',
    },
    { name: "without an event", source: config("{}"), reason: "config.event: is missing" },
    {
      name: "with a misspelt key",
      source: config("{ events: 'a' }"),
      reason: 'config.events: unknown key, did you mean "event"?',
    },
    {
      name: "whose event is no string",
      source: config("{ event: 1 }"),
      reason: "config.event: must be a string or an array of strings, not number",
    },
    {
      name: "with an event in its list that is no string",
      source: config("{ event: ['a', null] }"),
      reason: "config.event[1]: must be a string, not null",
    },
    {
      name: "with no event in its list",
      source: config("{ event: [] }"),
      reason: "at least one event",
    },
    {
      name: "with a malformed pattern",
      source: config("{ event: 'order.**.placed' }"),
      reason: "config.event[0]: ",
    },
    {
      name: "with a context that is no object",
      source: config("{ event: 'a', context: [] }"),
      reason: "config.context: must be an object, not an array",
    },
    {
      name: "with a misspelt option",
      source: config("{ event: 'a', context: { attempt: 3 } }"),
      reason: 'config.context.attempt: unknown key, did you mean "attempts"?',
    },
    {
      name: "with a bad option",
      source: config("{ event: 'a', context: { attempts: 0 } }"),
      reason: "config.context.attempts: must be",
    },
    {
      name: "with a bad id",
      source: config("{ event: 'a', context: { subscriberId: '' } }"),
      reason: "config.context.subscriberId: must be a string of 1 to 200 characters",
    },
    { name: "that throws", source: "throw new Error('oops');", reason: "cannot be loaded: oops" },
    { name: "that does not parse", source: "export default {{", reason: "cannot be loaded: " },
  ];

  test.for(broken)("$name", async ({ source, reason }) => {
    const root = project({ "subs/orders/a.js": source });
    const file = path.join(root, "subs/orders/a.js");
    const modules = [{ resolve: valueModule() }];
    const error = await configErrorOf(createApp({ modules, subscribers: "subs", root }));
    expect(error.message).toContain(`Subscriber ${file}: `);
    expect(error.message).toContain(reason);
    expect(error.details.file).toBe(file);
  });

  test("and reports all files that are broken, with all that is wrong in them", async () => {
    const root = project({
      "subs/a.js": "export const config = { event: 1, context: { attempts: 0, concurrency: 0 } };",
      "subs/b.js": idle,
      "subs/c.ts": "throw new Error('oops');",
    });
    const error = await configErrorOf(
      createApp({ subscribers: ["./subs", "./none"], root, modules: [{ resolve: valueModule() }] }),
    );
    expect(error.details.file).toBeUndefined();
    expect(error.details.issues.map(({ path: place }) => place.replace(`${root}/`, ""))).toEqual([
      "subs/a.js: default export",
      "subs/a.js: config.event",
      "subs/a.js: config.context.attempts",
      "subs/a.js: config.context.concurrency",
      "subs/c.ts",
      "none",
    ]);
    expect(error.message).toContain(`${root}/none: there is no such folder`);
  });

  test.for([
    ["an id", { subscriberId: "orders" }, 'the id "orders" belongs to '],
    ["an alias", { aliases: ["orders"] }, 'the id "orders" belongs to '],
  ] as const)("that takes %s of another file", async ([, context, reason]) => {
    const root = project({
      "subs/orders.js": idle,
      "subs/paid.js": config(JSON.stringify({ event: "b", context })),
    });
    const modules = [{ resolve: valueModule() }];
    const error = await configErrorOf(createApp({ modules, subscribers: "subs", root }));
    expect(error.message).toContain(`${root}/subs/paid.js: ${reason}${root}/subs/orders.js`);
  });

  test("whose id is that of another file by its path", async () => {
    const files = { "subs/orders.js": idle, "subs/orders/index.js": idle };
    const error = await configErrorOf(idsOf(files));
    expect(error.message).toContain('the id "orders" belongs to ');
  });

  test("that asks what the provider cannot do, as unsupported", async () => {
    const root = project({
      "subs/a.js": config("{ event: 'a', context: { ordering: 'key' } }"),
    });
    const modules = [{ resolve: valueModule() }];
    await expect(createApp({ modules, subscribers: "subs", root })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      message: expect.stringContaining(`Subscriber ${root}/subs/a.js: `),
    });
  });

  test("that is in two of the folders", async () => {
    const error = await configErrorOf(idsOf({ "subs/orders/a.js": idle }, ["subs", "subs/orders"]));
    expect(error.message).toContain("is in two of the subscribers folders");
  });

  test.for([
    ["./none", "there is no such folder"],
    ["./file.js", "is not a folder"],
  ] as const)("whose folder is %s", async ([folder, reason]) => {
    const error = await configErrorOf(idsOf({ "file.js": idle }, folder));
    expect(error.message).toContain(reason);
  });
});
