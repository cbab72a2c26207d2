import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createApp, defineConfig } from "../../src/create-app.ts";
import { asFunction, asValue } from "../../src/app/container.ts";
import { Modules } from "../../src/contract/container.ts";
import { definePlugin } from "../../src/contract/plugin.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { valueModule, type ValueModule } from "./support/value-module.ts";

const options = { signals: false } as const;
const using = (module: ValueModule) => [{ resolve: module }];

/** A promise, and what settles it. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

describe("createApp", () => {
  test("registers bus, logger and services in a container", async () => {
    const app = await createApp({
      modules: using(valueModule()),
      services: {
        greeting: asValue("hello"),
        greeter: asFunction(({ greeting }: { greeting: string }) => `${greeting} world`),
      },
    });
    expect(app.container.resolve(Modules.EVENT_BUS)).toBe(app.bus);
    expect(app.container.resolve(defineEvents({}).bus)).toBe(app.bus);
    expect(app.container.resolve(Modules.EVENT)).toBe(app.bus);
    expect(app.container.resolve("greeter")).toBe("hello world");
    expect(app.container.cradle.logger).toHaveProperty("info");
    await app.stop();
  });

  test("makes a container that says how to register services, instead of loading modules", async () => {
    const app = await createApp({ modules: using(valueModule()) });
    expect(() => app.container.loadModules(["services/*.js"])).toThrow(
      new TypeError(
        "The container of an application cannot load modules: name its services in the configuration, or call register()",
      ),
    );
    await app.stop();
  });

  test("connects nothing and consumes nothing before start", async () => {
    const module = valueModule();
    const app = await createApp({ modules: using(module) });
    expect(module.calls).toEqual([]);
    await app.stop();
  });

  test("types its bus by the catalogue of its events", async () => {
    const events = defineEvents({ "order.placed": z.object({ orderId: z.string() }) });
    const app = await createApp(defineConfig({ modules: using(valueModule()), events }), options);
    await app.start();
    await app.bus.emit("order.placed", { orderId: "42" });
    // @ts-expect-error no such event
    await app.bus.emit("order.lost", {});
    await expect(
      // @ts-expect-error orderId is a string
      app.bus.emit("order.placed", { orderId: 42 }),
    ).rejects.toMatchObject({ code: "BUSBAR_INVALID_EVENT" });
    await app.stop();
  });

  test.for([
    ["the override", { override: "worker", config: "shared", env: "server" }, "worker"],
    ["the configuration", { config: "worker", env: "server" }, "worker"],
    ["BUSBAR_ROLE", { env: "worker" }, "worker"],
    ["nothing", { env: "" }, "shared"],
  ] as const)("takes its role from %s", async ([, given, role], { onTestFinished }) => {
    onTestFinished(() => void delete process.env["BUSBAR_ROLE"]);
    process.env["BUSBAR_ROLE"] = given.env;
    const { override, config } = { override: undefined, config: undefined, ...given };
    const modules = using(valueModule());
    const app = await createApp({ modules, role: config }, { role: override });
    expect(app.role).toBe(role);
    await app.stop();
  });

  test("refuses the role server at start when the provider is not durable", async () => {
    const app = await createApp({ modules: using(valueModule()), role: "server" }, options);
    await expect(app.start()).rejects.toMatchObject({ code: "BUSBAR_UNSUPPORTED" });
  });
});

describe("start()", () => {
  test("starts once, however often it is called", async () => {
    const module = valueModule();
    const app = await createApp({ modules: using(module) }, options);
    await Promise.all([app.start(), app.start()]);
    await app.start();
    expect(module.calls).toEqual(["start"]);
    await app.stop();
  });

  test("stops what was started and rejects with the original error when it fails half-way", async () => {
    const module = valueModule();
    const disposed: string[] = [];
    const app = await createApp(
      {
        modules: using(module),
        plugins: [
          definePlugin({ name: "first", stop: () => void disposed.push("first") }),
          definePlugin({ name: "second", start: () => Promise.reject(new RangeError("no disk")) }),
        ],
        services: {
          db: asFunction(() => "db")
            .singleton()
            .disposer(() => void disposed.push("db")),
        },
      },
      { signals: true },
    );
    app.container.resolve("db");
    await expect(app.start()).rejects.toThrow(new RangeError("no disk"));
    await expect(app.start()).rejects.toThrow(new RangeError("no disk"));
    expect(module.calls).toEqual(["start", "stop"]);
    expect(disposed).toEqual(["first", "db"]);
    expect(process.listenerCount("SIGTERM")).toBe(0);
    await app.stop();
  });

  test("rejects after stop", async () => {
    const app = await createApp({ modules: using(valueModule()) }, options);
    await app.stop();
    await expect(app.start()).rejects.toThrow(TypeError);
  });

  test("listens to signals until stop, unless told not to", async () => {
    const app = await createApp({ modules: using(valueModule()) });
    await app.start();
    expect([process.listenerCount("SIGTERM"), process.listenerCount("SIGINT")]).toEqual([1, 1]);
    await app.stop();
    expect([process.listenerCount("SIGTERM"), process.listenerCount("SIGINT")]).toEqual([0, 0]);
    const quiet = await createApp({ modules: using(valueModule()) }, { signals: false });
    await quiet.start();
    expect(process.listenerCount("SIGTERM")).toBe(0);
    await quiet.stop();
  });
});

describe("stop()", () => {
  for (const how of ["stop", "container.dispose", "Symbol.asyncDispose"] as const) {
    test(`by ${how} drains the bus before it disposes services`, async () => {
      const steps: string[] = [];
      const running = gate();
      const held = gate();
      const app = await createApp(
        {
          modules: using(valueModule({ stop: async () => void steps.push("provider stopped") })),
          services: {
            db: asFunction(() => ({ write: () => steps.push("written") }))
              .singleton()
              .disposer(() => void steps.push("db disposed")),
          },
        },
        options,
      );
      app.bus.subscribe("order.placed", async (_, { container }) => {
        const db = container.resolve<{ write(): void }>("db");
        running.open();
        await held.promise;
        db.write();
      });
      await app.start();
      await app.bus.emit("order.placed", {});
      await running.promise;
      const stopped =
        how === "stop"
          ? app.stop()
          : how === "container.dispose"
            ? app.container.dispose()
            : app[Symbol.asyncDispose]();
      held.open();
      await stopped;
      expect(steps).toEqual(["written", "provider stopped", "db disposed"]);
    });
  }

  test("does so once, however often it is called, and before start", async () => {
    let disposals = 0;
    const app = await createApp({
      modules: using(valueModule()),
      services: {
        db: asFunction(() => "db")
          .singleton()
          .disposer(() => void (disposals += 1)),
      },
    });
    app.container.resolve("db");
    await Promise.all([app.stop(), app.stop(), app.container.dispose()]);
    await app.stop();
    expect(disposals).toBe(1);
  });

  test("disposes services though the provider fails to stop, and rejects with its error", async () => {
    let disposed = false;
    const failure = new Error("socket");
    const app = await createApp(
      {
        modules: using(valueModule({ stop: () => Promise.reject(failure) })),
        services: {
          db: asFunction(() => "db")
            .singleton()
            .disposer(() => void (disposed = true)),
        },
      },
      options,
    );
    app.container.resolve("db");
    await app.start();
    await expect(app.stop()).rejects.toThrow(failure.message);
    expect(disposed).toBe(true);
  });

  test("waits for a start under way", async () => {
    const connected = gate();
    const module = valueModule({ start: () => connected.promise });
    const app = await createApp({ modules: using(module) }, options);
    const started = app.start();
    const stopped = app.stop();
    connected.open();
    await Promise.all([started, stopped]);
    expect(module.calls).toEqual(["start", "stop"]);
  });
});
