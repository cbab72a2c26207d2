import { createEventBus, defineEvents, PermanentError } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { testingProvider } from "../src/index.ts";
import { mail, startBus } from "./support/start-bus.ts";

describe("emitted", () => {
  test("has what was published, in order, by name and by pattern", async () => {
    const { bus, provider } = await startBus((bus) => bus.subscribe("order.*", () => {}, mail));
    await bus.emit([
      { name: "order.placed", data: { id: 1 } },
      { name: "user.created", data: { id: 2 } },
      { name: "order.paid", data: { id: 3 } },
    ]);
    expect(provider.emitted().map(({ name }) => name)).toEqual([
      "order.placed",
      "user.created",
      "order.paid",
    ]);
    expect(provider.emitted("order.placed").map(({ data }) => data)).toEqual([{ id: 1 }]);
    expect(provider.emitted<{ id: number }>("order.*").map(({ data }) => data.id)).toEqual([1, 3]);
  });

  test("has events as handlers see them", async () => {
    const { bus, provider } = await startBus();
    const [id] = await bus.emit("order.placed", { orderId: "42" });
    expect(provider.emitted()).toEqual([
      {
        id,
        name: "order.placed",
        data: { orderId: "42" },
        metadata: {
          correlationId: id,
          createdAt: new Date("2026-01-01T00:00:00Z"),
          created_at: new Date("2026-01-01T00:00:00Z"),
          publishedAt: new Date("2026-01-01T00:00:00Z"),
          published_at: new Date("2026-01-01T00:00:00Z"),
        },
      },
    ]);
  });

  test("has nothing that was refused, nor what is staged in a group", async () => {
    const { bus, provider } = await startBus();
    provider.rejectPublish();
    await expect(bus.emit("order.placed", {})).rejects.toThrow("Injected refusal");
    await bus.emit({ name: "order.paid", data: {}, metadata: { eventGroupId: "g" } });
    expect(provider.emitted()).toEqual([]);
    await bus.releaseGroupedEvents("g");
    expect(provider.emitted().map(({ name }) => name)).toEqual(["order.paid"]);
  });

  test("is what listeners of the bus are told", async () => {
    const { bus, provider } = await startBus();
    const told: string[] = [];
    bus.on("emitted", ({ event }) => void told.push(event.id));
    provider.rejectPublish();
    await expect(bus.emit("order.placed", {})).rejects.toThrow("Injected refusal");
    await bus.emit([
      { name: "order.placed", data: {} },
      { name: "order.paid", data: {} },
    ]);
    expect(told).toEqual(provider.emitted().map(({ id }) => id));
    expect(told).toHaveLength(2);
  });

  test("has an event already when its handler runs", async () => {
    const seen: number[] = [];
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => void seen.push(provider.emitted().length), mail),
    );
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(seen).toEqual([1]);
  });

  test("keeps what was emitted, whatever a handler does to it", async () => {
    const { bus, provider } = await startBus(
      (bus) =>
        bus.subscribe<{ id: number }>("order.placed", ({ data }) => void (data.id = 0), mail),
      {},
      { isolation: "none" },
    );
    await bus.emit("order.placed", { id: 1 });
    await provider.drain();
    expect(provider.emitted()[0]?.data).toEqual({ id: 1 });
  });
});

describe("next", () => {
  test("waits for an event", async () => {
    const { bus, provider } = await startBus();
    const next = provider.next<{ id: number }>("order.*");
    await bus.emit("user.created", { id: 1 });
    await bus.emit("order.placed", { id: 2 });
    expect((await next).data).toEqual({ id: 2 });
  });

  test("takes each event once, those emitted before first", async () => {
    const { bus, provider } = await startBus();
    await bus.emit([1, 2, 3].map((id) => ({ name: "order.placed", data: id })));
    const taken = [
      await provider.next("order.placed"),
      await provider.next("order.*"),
      await provider.next("*"),
    ];
    expect(taken.map(({ data }) => data)).toEqual([1, 2, 3]);
    const waiting = [provider.next("order.placed"), provider.next("order.placed")];
    await bus.emit([4, 5].map((id) => ({ name: "order.placed", data: id })));
    expect((await Promise.all(waiting)).map(({ data }) => data)).toEqual([4, 5]);
  });

  test("gets what a subscriber emits", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", async () => void (await bus.emit("receipt.sent", {})), mail),
    );
    await bus.emit("order.placed", {});
    expect((await provider.next("receipt.sent")).name).toBe("receipt.sent");
  });

  test("rejects in real time, and says what happened instead", async () => {
    const { bus, provider } = await startBus();
    await bus.emit("order.placed", { id: 1 });
    await expect(provider.next("order.paid", { timeoutMs: 5 })).rejects.toThrow(
      /No further event "order.paid" within 5 ms.*emitted {2}order.placed #1 {"id":1}/s,
    );
  });

  test("rejects when the bus stops", async () => {
    const { bus, provider } = await startBus();
    const next = provider.next("order.paid");
    const failure = expect(next).rejects.toThrow("has stopped");
    await bus.stop();
    await failure;
  });
});

describe("deliveries", () => {
  test("has each hand-over with attempt, time, outcome and error", async () => {
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe("order.placed", () => {}, mail);
      bus.subscribe(
        "order.placed",
        () => {
          throw new PermanentError("no such product");
        },
        { subscriberId: "stock" },
      );
    });
    provider.failNext("mail", { error: new RangeError("busy") });
    await bus.emit("order.placed", { id: 1 });
    await provider.drain();
    const start = provider.emitted()[0]?.metadata.created_at?.getTime() ?? 0;
    expect(
      provider.deliveries("mail").map(({ at, ...rest }) => ({ ...rest, at: at.getTime() - start })),
    ).toEqual([
      {
        subscriberId: "mail",
        event: provider.emitted()[0],
        attempt: 1,
        outcome: "failed",
        error: { name: "RangeError", message: "busy" },
        at: 0,
      },
      {
        subscriberId: "mail",
        event: provider.emitted()[0],
        attempt: 2,
        outcome: "acknowledged",
        at: 1_000,
      },
    ]);
    expect(provider.deliveries("stock")).toMatchObject([
      { outcome: "dead", reason: "permanent", error: { message: "no such product" } },
    ]);
    expect(provider.deliveries()).toHaveLength(3);
  });

  test("tells what runs from what was handed back", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => new Promise(() => {}), mail),
    );
    await bus.emit("order.placed", {});
    await provider.advance(0);
    expect(provider.deliveries("mail")[0]?.outcome).toBe("running");
  });
});

test("clear forgets what happened, and nothing else", async () => {
  const { bus, provider } = await startBus((bus) => bus.subscribe("order.placed", () => {}, mail));
  provider.failNext("mail");
  await bus.emit("order.placed", {});
  await provider.advance(0);
  provider.clear();
  expect([provider.emitted(), provider.deliveries(), provider.trace()]).toEqual([[], [], []]);
  await provider.advance(1_000);
  expect(provider.deliveries("mail")).toMatchObject([{ attempt: 2, outcome: "acknowledged" }]);
});

test("trace has a line for each thing that happened", async () => {
  const { bus, provider } = await startBus((bus) => bus.subscribe("order.placed", () => {}, mail));
  provider.failNext("mail");
  await bus.emit("order.placed", { id: 1 });
  await provider.drain();
  expect(provider.trace()).toEqual([
    '   +0 ms  emitted       order.placed #1 {"id":1}',
    "   +0 ms  handed over   order.placed #1 to mail, attempt 1",
    "   +0 ms  failed        order.placed #1 by mail: Injected failure",
    "+1000 ms  handed over   order.placed #1 to mail, attempt 2",
    "+1000 ms  acknowledged  order.placed #1 by mail",
  ]);
});

test("two providers share nothing", async () => {
  const { bus } = await startBus();
  const other = testingProvider();
  await bus.emit("order.placed", {});
  expect(other.emitted()).toEqual([]);
});

test("a provider takes the catalogue that types it", async () => {
  const events = defineEvents({ "order.placed": z.object({ orderId: z.string() }) });
  const provider = testingProvider({ events });
  const bus = createEventBus({ provider, events });
  await bus.start();
  await bus.emit("order.placed", { orderId: "42" });
  expect(provider.emitted("order.placed").map(({ data }) => data.orderId)).toEqual(["42"]);
  await bus.stop();
});
