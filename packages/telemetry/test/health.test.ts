import type { BusHealth } from "@busbar/core";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { describe, expect, test } from "vitest";
import { liveness, readiness } from "../src/health.ts";

const get = (): Request => new Request("http://localhost/");

const health: BusHealth = {
  status: "up",
  since: new Date(0),
  state: "running",
  consuming: true,
  provider: "local",
};
const busThat = (found: Partial<BusHealth>) => ({ health: async () => ({ ...health, ...found }) });

describe("readiness()", () => {
  test("follows a bus through its life", async () => {
    const bus = createEventBus({ provider: localProvider(), logger: false });
    const ready = readiness(bus);
    expect((await ready(get())).status).toBe(503);
    await bus.start();
    const answer = await ready(get());
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({ status: "ready", checks: { bus: { ok: true } } });
    await bus.stop();
    expect(await (await ready(get())).json()).toEqual({
      status: "not-ready",
      checks: { bus: { ok: false, detail: "The bus is stopped" } },
    });
  });

  test("a bus that stops is not ready, although all is well with it", async () => {
    expect((await readiness(busThat({ state: "stopping" }))(get())).status).toBe(503);
  });

  test.each([
    ["down", false, 503],
    ["down", true, 503],
    ["degraded", false, 503],
    ["degraded", true, 200],
    ["up", false, 200],
  ] as const)("%s, with allowDegraded: %s, is %i", async (status, allowDegraded, expected) => {
    const ready = readiness(busThat({ status, detail: "Slow" }), { allowDegraded });
    const answer = await ready(get());
    expect(answer.status).toBe(expected);
    if (status === "degraded") expect(await answer.text()).toContain("The bus is degraded: Slow");
  });

  test("an outbox whose oldest event is too old is not ready", async () => {
    const outbox = (ageMs: number) => ({
      inspect: async () => ({
        pending: 1,
        delayed: 0,
        staged: 0,
        failed: 0,
        oldestAt: new Date(Date.now() - ageMs),
      }),
    });
    const ready = (ageMs: number) =>
      readiness(busThat({}), { outbox: outbox(ageMs), maxOutboxAgeMs: 10_000 })(get());
    expect((await ready(0)).status).toBe(200);
    const late = await ready(20_000);
    expect(late.status).toBe(503);
    expect(await late.text()).toContain("has waited for");
  });

  test("a check that fails or hangs is not ready, and says nothing that may be secret", async () => {
    const failing = { health: () => Promise.reject(new Error("redis://user:password@host")) };
    const hanging = { health: () => new Promise<never>(() => {}) };
    for (const bus of [failing, hanging]) {
      const answer = await readiness(bus, { timeoutMs: 5 })(get());
      expect(answer.status).toBe(503);
      expect(await answer.text()).not.toContain("password");
    }
  });

  test("only reads", async () => {
    const ready = readiness(busThat({}));
    const posted = await ready(new Request("http://localhost/", { method: "POST" }));
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const head = await ready(new Request("http://localhost/", { method: "HEAD" }));
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("options that are none are refused", () => {
    expect(() => readiness(busThat({}), { timeoutMs: 0 })).toThrow(TypeError);
  });
});

test("liveness() asks nothing", async () => {
  const answer = await liveness()(get());
  expect([answer.status, await answer.json()]).toEqual([200, { status: "alive" }]);
});
