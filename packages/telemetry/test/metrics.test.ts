import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { createEventBus, type EventBus, PermanentError } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { describe, expect, onTestFinished, test } from "vitest";
import { telemetry, type TelemetryOptions } from "../src/telemetry.ts";

class TestReader extends MetricReader {
  protected onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

interface Value {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

/** A bus, and the values of a metric, as an exporter gets them. */
async function startBus(options: TelemetryOptions = {}): Promise<{
  readonly bus: EventBus;
  valuesOf(name: string): Promise<readonly Value[]>;
  names(): Promise<readonly string[]>;
}> {
  const reader = new TestReader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const plugin = telemetry({ traces: false, meterProvider, ...options });
  const bus = createEventBus({
    name: "shop",
    provider: localProvider(),
    plugins: [plugin],
    logger: false,
  });
  onTestFinished(async () => {
    await bus.stop({ graceMs: 0 });
    await meterProvider.shutdown();
  });
  await bus.start();
  const metrics = async () => {
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).toEqual([]);
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  };
  return {
    bus,
    names: async () => (await metrics()).map(({ descriptor }) => descriptor.name),
    valuesOf: async (name) => {
      const found = (await metrics()).find(({ descriptor }) => descriptor.name === name);
      return (found?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }));
    },
  };
}

const SEND = { subscriberId: "send-receipt" };
const run = {
  "messaging.system": "busbar",
  "messaging.operation.name": "process",
  "messaging.destination.name": "a",
  "messaging.consumer.group.name": "send-receipt",
};

describe("metrics", () => {
  test("count what is sent, by the name of the event", async () => {
    const { bus, valuesOf } = await startBus();
    bus.addInterceptor(({ name }) => {
      if (name === "refused") throw new RangeError("no");
    });
    await bus.emit("a", 1);
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b", data: 1 },
    ]);
    await bus.emit("refused", 1).catch(() => {});
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    const sent = { "messaging.system": "busbar", "messaging.operation.name": "publish" };
    const destination = "messaging.destination.name";
    expect(await valuesOf("messaging.client.sent.messages")).toEqual([
      { attributes: { ...sent, [destination]: "a" }, value: 2 },
      { attributes: { ...sent, [destination]: "b" }, value: 1 },
      { attributes: { ...sent, [destination]: "refused", "error.type": "RangeError" }, value: 1 },
    ]);
    expect(await valuesOf("busbar.events.unrouted")).toEqual([
      { attributes: { [destination]: "a" }, value: 2 },
      { attributes: { [destination]: "b" }, value: 1 },
    ]);
    await bus.releaseGroupedEvents("g");
    expect(await valuesOf("messaging.client.sent.messages")).toContainEqual({
      attributes: { ...sent, [destination]: "a", "messaging.operation.name": "release" },
      value: 1,
    });
    const durations = await valuesOf("messaging.client.operation.duration");
    expect(durations.map(({ attributes }) => attributes["messaging.operation.type"])).toEqual([
      "send",
      "send",
      "send",
      "create",
      "send",
    ]);
  });

  test("count events of a group once, at their release, also where one emit has both kinds", async () => {
    const { bus, valuesOf } = await startBus();
    const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };
    await bus.emit([grouped, { name: "a", data: 2 }, { ...grouped, name: "b" }]);
    await bus.releaseGroupedEvents("g");
    const sent = await valuesOf("messaging.client.sent.messages");
    expect(
      sent.map(({ attributes, value }) => [
        attributes["messaging.operation.name"],
        attributes["messaging.destination.name"],
        value,
      ]),
    ).toEqual([
      ["publish", "a", 1],
      ["release", "a", 1],
      ["release", "b", 1],
    ]);
  });

  test("measure runs, their lag, and what became of deliveries", async () => {
    const { bus, valuesOf } = await startBus();
    let runs = 0;
    bus.subscribe(
      "a",
      ({ data }) => {
        runs += 1;
        if (data === "bad") throw new PermanentError("bad");
        if (runs === 1) throw new TypeError("once");
      },
      { ...SEND, attempts: 2, backoff: 1 },
    );
    await bus.emit("a", "good");
    await bus.settled();
    await bus.emit("a", "bad");
    await bus.settled();
    const ran = await valuesOf("messaging.process.duration");
    expect(
      ran.map(({ attributes, value }) => [attributes, (value as { count: number }).count]),
    ).toEqual([
      [{ ...run, "error.type": "TypeError" }, 1],
      [run, 1],
      [{ ...run, "error.type": "PermanentError" }, 1],
    ]);
    // A retry is late because it waited: only first runs have a lag.
    const lags = await valuesOf("busbar.delivery.lag");
    expect(lags).toMatchObject([{ value: { count: 2, sum: expect.toSatisfy((it) => it < 5) } }]);
    const dead = await valuesOf("busbar.deliveries.dead");
    expect(dead).toMatchObject([{ attributes: { "busbar.reason": "permanent" }, value: 1 }]);
  });

  test("look the bus up once for each collection", async () => {
    const { bus, names, valuesOf } = await startBus();
    bus.subscribe("a", () => Promise.reject(new PermanentError("bad")), SEND);
    await bus.emit("a", 1);
    await bus.settled();
    await bus.pause("send-receipt");
    await bus.emit("a", 1);
    const looks: unknown[] = [];
    const inspect = bus.inspect.bind(bus);
    bus.inspect = (given) => {
      looks.push(given);
      return inspect(given);
    };
    expect(await names()).toContain("busbar.subscription.oldest.age");
    // The reports of all processes, read by each of them, would be as many as the square of their number.
    expect(looks).toEqual([{ instances: false }]);
    const attributes = {
      "busbar.bus": "shop",
      "busbar.scope": "process",
      "messaging.consumer.group.name": "send-receipt",
    };
    const valueOf = async (name: string) => valuesOf(`busbar.subscription.${name}`);
    expect(await valueOf("ready")).toEqual([{ attributes, value: 1 }]);
    expect(await valueOf("dead_letters")).toEqual([{ attributes, value: 1 }]);
    expect(await valueOf("paused")).toEqual([{ attributes, value: 1 }]);
    expect(await valueOf("orphaned")).toEqual([{ attributes, value: 0 }]);
    expect(await valuesOf("busbar.health")).toEqual(
      ["up", "degraded", "down"].map((state) => ({
        attributes: { "busbar.bus": "shop", "busbar.scope": "process", "busbar.state": state },
        value: Number(state === "up"),
      })),
    );
  });

  test("leave out what does not answer, and stop with the bus", async () => {
    const outbox = { inspect: () => Promise.reject(new Error("away")) };
    const { bus, names } = await startBus({ outbox });
    const found = await names();
    expect(found).toContain("busbar.health");
    expect(found.filter((name) => name.includes("outbox"))).toEqual([]);
    await bus.stop();
    let looks = 0;
    bus.health = () => {
      looks += 1;
      return Promise.reject(new Error("is asked after the stop"));
    };
    await names();
    expect(looks).toBe(0);
  });

  test("have no gauges where they are switched off", async () => {
    const { names } = await startBus({ gauges: false });
    expect((await names()).filter((name) => name.includes("health"))).toEqual([]);
  });

  test("tell at most a thousand names of events apart", async () => {
    const { bus, valuesOf } = await startBus();
    await bus.emit(
      Array.from({ length: 1_500 }, (_, index) => ({ name: `order.${index}`, data: 1 })),
    );
    const sent = await valuesOf("messaging.client.sent.messages");
    expect(sent).toHaveLength(1_001);
    expect(sent.at(-1)).toMatchObject({
      attributes: { "messaging.destination.name": "(other)" },
      value: 500,
    });
  });
});
