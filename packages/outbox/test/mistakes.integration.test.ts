import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createApp,
  createEventBus,
  defineEvents,
  type EventBus,
  loadConfig,
  type Logger,
} from "@busbar/core";
import { asValue } from "@busbar/core/container";
import { createMemoryProvider } from "@busbar/core/memory";
import { defineProvider } from "@busbar/core/provider";
import { createStep, createWorkflow, StepResponse } from "@busbar/core/workflows";
import { testProvider } from "@busbar/conformance";
import local, { localProvider } from "@busbar/local";
import redis, { redisProvider } from "@busbar/redis";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
// @boundaries-ignore the server that the tests of Redis start
import { type RedisServer, startRedisServer } from "../../redis/test/support/redis-server.ts";
// @boundaries-ignore a package that this one does not depend on
import { testingProvider } from "../../testing/src/index.ts";
import { inbox, once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import { pgStore, postgresStore, sqliteStore } from "../src/outbox-store.ts";
import { databaseUrl } from "./support/stores.ts";

/** What a program without types may write. */
// oxlint-disable-next-line typescript/no-explicit-any -- that is the point
type Any = any;

const logger = false;
const noop = (): void => {};
const provider = localProvider();
const url = "redis://127.0.0.1:6379";
const store = pgStore({ pool: new pg.Pool() });
/** A schema of an object with a `total`, as a library of schemas would make it. */
const schema: Parameters<typeof defineEvents>[0][string] = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as { total?: unknown }).total === "number"
        ? { value }
        : { issues: [{ path: ["total"], message: "expected number, received string" }] },
  },
};
const events = defineEvents({ "order.placed": schema });
const warnings: string[] = [];
const warned: Logger = {
  debug: noop,
  info: noop,
  warn: (_fields, message) => void warnings.push(message),
  error: (_fields, message) => void warnings.push(message),
};

let bus: EventBus;
let folder: string;
let server: RedisServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "busbar-mistakes-"));
  bus = createEventBus({ provider: localProvider(), events: events as Any, logger });
  bus.subscribe("order.placed", noop, { subscriberId: "mail" });
  await bus.start();
  server = await startRedisServer({ config: { requirepass: "right" } });
});

afterAll(async () => {
  await bus.stop();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const any = (value: unknown): Any => value;
const make = (options: unknown) => () => createEventBus(options as Any);
const app = (config: unknown, overrides: unknown = { root: folder, logger }) =>
  createApp(config as Any, overrides as Any);

/** Starts a bus that cannot start, and stops it. */
async function start(options: object): Promise<void> {
  const its = createEventBus({ logger, ...options } as Any);
  try {
    await its.start();
  } finally {
    await its.stop({ graceMs: 0 });
  }
}

/** What a handler that fails leaves behind, as its dead letter says it. */
async function deadLetter(handler: (...args: Any[]) => unknown): Promise<never> {
  const its = createEventBus({ provider: localProvider(), logger });
  its.subscribe("a", handler as Any, { subscriberId: "s" });
  await its.start();
  await its.emit("a", {});
  await its.settled();
  const { items } = await its.deadLetters.list();
  await its.stop();
  throw new Error(items[0]?.errors[0]?.message);
}

/** Mistakes by where they are made. */
const MISTAKES: Record<string, Record<string, () => unknown>> = {
  "Making a bus": {
    "createEventBus()": make(undefined),
    'createEventBus("local")': make("local"),
    "createEventBus({})": make({}),
    'createEventBus({ provider: "redis" })': make({ provider: "redis" }),
    "createEventBus({ provider: localProvider })": make({ provider: localProvider }),
    "createEventBus({ provider, plugin: [] })": make({ provider, plugin: [] }),
    "createEventBus({ provider, emitTimeout: 5_000 })": make({ provider, emitTimeout: 5_000 }),
    'createEventBus({ provider, graceMs: "20s" })': make({ provider, graceMs: "20s" }),
    "createEventBus({ provider, deadLetters: { maxAge: 1 } })": make({
      provider,
      deadLetters: { maxAge: 1 },
    }),
    "createEventBus({ provider, defaults: { retries: 3 } })": make({
      provider,
      defaults: { retries: 3 },
    }),
    "createEventBus({ provider, defaults: { atempts: 3 } })": make({
      provider,
      defaults: { atempts: 3 },
    }),
    "createEventBus({ provider, subscriptionDefaults: { timeout: 5 } })": make({
      provider,
      subscriptionDefaults: { timeout: 5 },
    }),
    'createEventBus({ provider, name: "my shop" })': make({ provider, name: "my shop" }),
    'createEventBus({ provider, role: "consumer" })': make({ provider, role: "consumer" }),
    "createEventBus({ provider, logger: pino })": make({ provider, logger: noop }),
    "createEventBus({ provider, inbox: pool })": make({ provider, inbox: new pg.Pool() }),
    "createEventBus({ provider, middleware: log })": make({ provider, middleware: noop }),
    "createEventBus({ provider, plugins: [outbox] })": make({ provider, plugins: [{}] }),
    "createEventBus({ provider, events: { … } })": make({ provider, events: {} }),
  },
  "Subscribing and emitting": {
    'bus.subscribe("order.placed")': () => bus.subscribe("order.placed", any(undefined)),
    'bus.subscribe("order.placed", handler, "mail")': () =>
      bus.subscribe("order.placed", noop, any("mail")),
    'bus.subscribe("order.**.placed", handler)': () => bus.subscribe("order.**.placed", noop),
    'bus.subscribe("order.placed", handler, { id: "mail" })': () =>
      bus.subscribe("order.placed", noop, any({ id: "mail" })),
    "… { subscriberId, retries: 3 }": () =>
      bus.subscribe("order.paid", noop, any({ subscriberId: "mail", retries: 3 })),
    '… { subscriberId, attempts: "3" }': () =>
      bus.subscribe("order.paid", noop, any({ subscriberId: "mail", attempts: "3" })),
    "… { subscriberId, backoff: { type, delay, maxDelays } }": () =>
      bus.subscribe(
        "order.paid",
        noop,
        any({ subscriberId: "mail", backoff: { type: "fixed", delay: 1, maxDelays: 2 } }),
      ),
    "the same subscriberId on the same event": () =>
      bus.subscribe("order.placed", noop, { subscriberId: "mail" }),
    "emit before start": () =>
      createEventBus({ provider: localProvider(), logger }).emit("order.placed", {}),
    "bus.emit()": () => bus.emit(any(undefined)),
    'bus.emit("order placed\\n", data)': () => bus.emit("order placed\n", {}),
    'bus.emit("order.paid")': () => bus.emit("order.paid", undefined),
    "data with a cycle": () => {
      const data: Record<string, unknown> = {};
      data["self"] = data;
      return bus.emit("order.shipped", { order: data });
    },
    "data with a function": () => bus.emit("order.shipped", { callback: noop }),
    "data with a Map": () => bus.emit("order.shipped", { items: new Map() }),
    "data that the schema refuses": () => bus.emit("order.placed", { total: "10" }),
    "emit options with a typing mistake": () =>
      bus.emit("order.paid", {}, any({ priorty: "high" })),
    "a message with a typing mistake": () =>
      bus.emit(any({ name: "order.paid", data: 1, option: {} })),
    "bus.use()": () => bus.use(any(undefined)),
    "bus.addInterceptor({})": () => bus.addInterceptor(any({})),
    'bus.on("died", listener)': () => bus.on(any("died"), noop),
  },
  "Running a bus": {
    "bus.stop(5_000)": () => bus.stop(any(5_000)),
    "bus.stop({ grace: 5 })": () => bus.stop(any({ grace: 5 })),
    "bus.settled({ timeout: 5 })": () => bus.settled(any({ timeout: 5 })),
    "bus.settled(eventId)": () => bus.settled(any("0199")),
    'bus.retire("mial")': () => bus.retire("mial"),
    'bus.retire("mail", { event: ["a"] })': () => bus.retire("mail", any({ event: ["a"] })),
    'bus.pause("mial")': () => bus.pause("mial"),
    "bus.deadLetters.list({ subscriptionIds: [] })": () =>
      bus.deadLetters.list(any({ subscriptionIds: [] })),
    "bus.withTransaction(tx) without an outbox": () => bus.withTransaction({}).emit("a", {}),
    "a service on a bus without a container": () =>
      deadLetter((_event, { container }) => container.resolve("mailer")),
  },
  "Events and workflows": {
    "defineEvents()": () => defineEvents(any(undefined)),
    'defineEvents({ "order.placed": { total: "number" } })': () =>
      defineEvents(any({ "order.placed": { total: "number" } })),
    'defineEvents({ "order placed\\n": schema })': () => defineEvents({ "a\n": schema }),
    "defineEvents(schemas, { validateOnConsume: true })": () =>
      defineEvents({ a: schema }, any({ validateOnConsume: true })),
    "createStep()": () => createStep(any(undefined), any(undefined)),
    'createStep("reserve")': () => createStep("reserve", any(undefined)),
    'createStep({ name: "reserve", retries: 3 }, run)': () =>
      createStep(any({ name: "reserve", retries: 3 }), () => new StepResponse(1)),
    'createWorkflow("place-order")': () => createWorkflow("place-order", any(undefined)),
    "a step outside of a workflow": () =>
      createStep("reserve", () => new StepResponse(1))(any(undefined)),
    "workflow.run({ inputs: {} })": () =>
      createWorkflow("place-order", noop as Any).run(any({ inputs: {} })),
  },
  "Making a provider": {
    "localProvider({ maxPendng: 1 })": () => localProvider(any({ maxPendng: 1 })),
    "redisProvider()": () => redisProvider(any(undefined)),
    'redisProvider("redis://…")': () => redisProvider(any(url)),
    "redisProvider({ url })": () => redisProvider(any({ url })),
    'redisProvider({ redisUrl: "localhost:6379" })': () =>
      redisProvider({ redisUrl: "localhost:6379" }),
    "redisProvider({ redisUrl, attempts: 3 })": () =>
      redisProvider(any({ redisUrl: url, attempts: 3 })),
    "redisProvider({ redisUrl, batch: { size: 10 } })": () =>
      redisProvider(any({ redisUrl: url, batch: { maxEvent: 10 } })),
    "testingProvider({ start: 0 })": () => testingProvider(any({ start: 0 })),
    "createMemoryProvider()": () => createMemoryProvider(any(undefined)),
    'createMemoryProvider({ name: "own" })': () => createMemoryProvider(any({ name: "own" })),
    "defineProvider()": () => defineProvider(any(undefined)),
    "defineProvider({ name, capability, open })": () =>
      defineProvider(any({ name: "nats", capability: {}, open: noop })),
    "defineProvider({ …, capabilities: { durabel: true } })": () =>
      defineProvider(any({ name: "nats", capabilities: { durabel: true }, open: noop })),
    "testProvider(test)": () => testProvider(test as Any, any(undefined)),
    "testProvider({ create })": () => testProvider(any({ create: noop }), any(undefined)),
    "testProvider(test, { create, fault })": () =>
      testProvider(test as Any, any({ create: noop, fault: {} })),
  },
  "Stores, outbox and inbox": {
    "outbox()": () => outbox(any(undefined)),
    "outbox(store)": () => outbox(any(store)),
    "outbox({ store: pool })": () => outbox(any({ store: new pg.Pool() })),
    "outbox({ store, relay: { pollEvery: 100 } })": () =>
      outbox(any({ store, relay: { pollEvery: 100 } })),
    "pgStore()": () => pgStore(any(undefined)),
    "pgStore({ pool: DATABASE_URL })": () => pgStore(any({ pool: "postgres://db" })),
    "pgStore({ client })": () => pgStore(any({ client: {} })),
    "postgresStore({ sql: url })": () => postgresStore(any({ sql: "postgres://db" })),
    "sqliteStore({ database: path })": () => sqliteStore(any({ database: "shop.db" })),
    "inbox({ store, retention: 1 })": () => inbox(any({ store, retention: 1 })),
    "once(handler)": () => once(noop, any(undefined)),
    "once({ store })": () => once(any({ store }), any(undefined)),
    "outbox({ store }).drained({ timeout: 5 })": () =>
      outbox({ store }).drained(any({ timeout: 5 })),
  },
  "Servers that cannot be reached": {
    "a Redis with another password": () =>
      start({
        provider: redisProvider({ redisUrl: `redis://:wrong@127.0.0.1:${server.port}` }),
      }),
    "a Redis that asks for a password": () =>
      start({ provider: redisProvider({ redisUrl: `redis://127.0.0.1:${server.port}` }) }),
    "two applications with the default name": async () => {
      const redisUrl = `redis://:right@127.0.0.1:${server.port}`;
      const [first, second] = ["stock", "mail"].map((subscriberId) => {
        const its = createEventBus({ provider: redisProvider({ redisUrl }), logger: warned });
        return its.subscribe("order.placed", noop, { subscriberId });
      });
      await first!.start();
      await second!.start();
      await Promise.all([first!.stop(), second!.stop()]);
      throw new Error(warnings.find((message) => message.includes("application")));
    },
    "a PostgreSQL with another user": () =>
      start({
        provider: localProvider(),
        plugins: [outbox({ store: pgStore({ pool: poolOf("nobody:wrong") }) })],
      }),
    "a PostgreSQL that is not there": () =>
      start({
        provider: localProvider(),
        plugins: [
          outbox({ store: pgStore({ pool: new pg.Pool({ host: "127.0.0.1", port: 1 }) }) }),
        ],
      }),
  },
  "An application": {
    "createApp() without a file": () => app(undefined),
    'createApp("shop.config.ts") without that file': () => app("shop.config.ts"),
    "createApp({ suscribers })": () => app({ suscribers: "./src" }),
    "createApp({ bus: { graceMs: -1 } })": () => app({ bus: { graceMs: -1 } }),
    "createApp(config, { signal: false })": () => app({}, { signal: false }),
    "loadConfig({ path })": () => loadConfig(any({ path: "busbar.config.ts" })),
    'modules: [{ resolve: "@busbar/reddis" }]': () =>
      app({ modules: [{ resolve: "@busbar/reddis" }] }),
    'modules: [{ resolve: "./bus.ts" }]': () => app({ modules: [{ resolve: "./bus.ts" }] }),
    "modules: [{ resolve, option: {} }]": () => app({ modules: [{ resolve: local, option: {} }] }),
    "modules: [{ resolve: redis }]": () => app({ modules: [{ resolve: redis }] }),
    "options with a typing mistake": () =>
      app({ modules: [{ resolve: local, options: { maxPendign: 1 } }] }),
    'subscribers: "./none"': () => app({ modules: [{ resolve: local }], subscribers: "./none" }),
    "a subscriber file without a handler": () =>
      app({ modules: [{ resolve: local }], subscribers: { modules: { mail: {} } } }),
    'services: { mailer: "smtp" }': () =>
      app({ modules: [{ resolve: local }], services: { mailer: "smtp" } }),
    "a service that is not there": async () => {
      const its = await app({
        modules: [{ resolve: local }],
        services: { mailer: asValue({}) },
      });
      return its.container.resolve("mailr");
    },
    "a module whose peer is not installed": () => {
      writeFileSync(join(folder, "bus.mjs"), 'import "bullmq-that-is-not-there";');
      return app({ modules: [{ resolve: "./bus.mjs" }] });
    },
  },
};

function poolOf(credentials: string): pg.Pool {
  const its = new URL(databaseUrl());
  [its.username, its.password] = credentials.split(":") as [string, string];
  const pool = new pg.Pool({ connectionString: its.href });
  pool.on("error", noop);
  return pool;
}

async function messageOf(mistake: () => unknown): Promise<string> {
  try {
    await mistake();
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return `${code ?? name}: ${message}`;
  }
  return "is not noticed";
}

test("a mistake is answered with what, where, and how to mend it", async () => {
  const table: string[] = [];
  for (const [section, mistakes] of Object.entries(MISTAKES)) {
    table.push(`# ${section}`, "");
    for (const [title, mistake] of Object.entries(mistakes)) {
      const message = await messageOf(mistake);
      table.push(title, `    ${portable(message)}`, "");
    }
  }
  await expect(table.join("\n")).toMatchFileSnapshot("mistakes.txt");
});

/** Without what differs from run to run. */
function portable(message: string): string {
  return message
    .replaceAll(folder, "<folder>")
    .replaceAll(process.cwd(), "<cwd>")
    .replaceAll(String(server.port), "<port>")
    .replaceAll(new URL(databaseUrl()).host, "<host>");
}
