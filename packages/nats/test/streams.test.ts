import { createEventBus, type EventBus } from "@busbar/core";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, expect, test, vi } from "vitest";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { natsProvider, type NatsProviderOptions } from "../src/index.ts";
import { createNames } from "../src/streams/names.ts";

const server = await startServer("nats");
const connection = await connect({ servers: server.url });
const manager = await jetstreamManager(connection);
const buses: EventBus[] = [];

afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.stop()));
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

async function startBus(
  name: string,
  options: NatsProviderOptions,
  handle: (data: unknown) => void,
): Promise<EventBus> {
  const bus = createEventBus({ name, provider: natsProvider({ servers: server.url, ...options }) });
  buses.push(bus);
  bus.subscribe("order.placed", ({ data }) => handle(data), { subscriberId: "mail" });
  await bus.start();
  return bus;
}

test("adds partitions to a bus that runs, and leaves nothing in those it had", async () => {
  const handled: unknown[] = [];
  const handle = (data: unknown): void => void handled.push(data);
  const before = await startBus("grows", {}, handle);
  await before.emit("order.placed", "before");
  const after = await startBus("grows", { partitions: 4 }, handle);
  for (const bus of [before, after]) {
    await bus.emit(Array.from({ length: 20 }, (_, data) => ({ name: "order.placed", data })));
  }
  await vi.waitFor(() => expect(handled).toHaveLength(41), 10_000);
  const streams: string[] = [];
  for await (const stream of manager.streams.names("busbar-grows.e.>")) streams.push(stream);
  expect(streams.toSorted()).toEqual([0, 1, 2, 3].map((it) => `busbar-grows-${it}`));
});

test("a message that cannot be read is a dead letter, and holds up no other", async () => {
  const handled: unknown[] = [];
  const bus = await startBus("unreadable", {}, (data) => void handled.push(data));
  connection.publish(createNames("busbar-unreadable").eventSubject(0, [0]), "{");
  await connection.flush();
  await bus.emit("order.placed", "good");
  await vi.waitFor(async () => {
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items).toMatchObject([{ reason: "corrupt", event: { data: "{" } }]);
  }, 10_000);
  expect(handled).toEqual(["good"]);
});

test("deletes an event once all its subscriptions are done, and not before", async () => {
  const handled: unknown[] = [];
  const bus = await startBus("sweeps", {}, (data) => {
    if (data === "waits" && handled.length < 2) throw new Error("Not yet");
    handled.push(data);
  });
  await bus.emit("order.placed", "waits", { attempts: 2, backoff: 8_000 });
  await bus.emit("order.placed", "quick");
  await bus.emit("order.placed", "quick");
  const messages = async (): Promise<number> =>
    (await manager.streams.info("busbar-sweeps-0")).state.messages;
  await vi.waitFor(() => expect(handled).toEqual(["quick", "quick", "waits"]), 15_000);
  expect(await messages()).toBe(3);
  await vi.waitFor(async () => expect(await messages()).toBe(0), 10_000);
});

test("rejects the start if a stream is not as the options say", async () => {
  await startBus("differs", {}, () => {});
  await expect(startBus("differs", { maxBytes: 1_000_000 }, () => {})).rejects.toThrow(
    "The NATS stream busbar-differs-0 has max_bytes -1, and the options of natsProvider() ask for 1000000",
  );
});

test("rejects an emit when a partition has reached its limit, and accepts it when there is room", async () => {
  const bus = await startBus("is-full", { maxBytes: 3_000 }, () => {});
  const filler = "x".repeat(2_000);
  const emit = () => bus.emit("order.placed", filler);
  await emit();
  await expect(emit()).rejects.toThrow("has reached its maxBytes");
  await vi.waitFor(emit, { timeout: 10_000, interval: 200 });
});

test("a connection of the caller stays open", async () => {
  const handled: unknown[] = [];
  const bus = createEventBus({ name: "mine", provider: natsProvider({ connection }) });
  bus.subscribe("order.placed", ({ data }) => void handled.push(data), { subscriberId: "mail" });
  await bus.start();
  await bus.emit("order.placed", "42");
  await vi.waitFor(() => expect(handled).toEqual(["42"]), 5_000);
  await bus.stop();
  expect(connection.isClosed()).toBe(false);
});
