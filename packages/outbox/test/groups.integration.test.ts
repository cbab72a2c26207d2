import { createEventBus, type EventBus } from "@busbar/core";
import {
  createStep,
  createWorkflow,
  emitEventStep,
  StepResponse,
  type WorkflowData,
  WorkflowResponse,
} from "@busbar/core/workflows";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OutboxGroupStaging } from "../src/group-staging.ts";
import { outbox } from "../src/outbox.ts";
import { deleteOldRows } from "../src/retention.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe.each(databases)("groups in the outbox on %s", (_, createDatabase) => {
  let database: TestDatabase;
  const buses: EventBus[] = [];

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 500 })));
    await database.close();
  });

  async function start(): Promise<{ bus: EventBus; seen: unknown[] }> {
    const plugin = outbox({ store: database.createStore() });
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin] });
    const seen: unknown[] = [];
    bus.subscribe("**", ({ data }) => void seen.push(data), { subscriberId: "all" });
    await bus.start();
    buses.push(bus);
    return { bus, seen };
  }

  const message = (data: unknown, name = "a", stepId?: string): never =>
    ({ name, data, metadata: { eventGroupId: "g", stepId } }) as never;

  test("wait for their release, outlive the bus, and are listed", async () => {
    const first = await start();
    await first.bus.emit([message(1), message(2)]);
    await first.bus.stop();
    const second = await start();
    expect((await second.bus.inspect()).groups).toMatchObject([
      { eventGroupId: "g", events: 2, marked: false },
    ]);
    expect(second.seen).toEqual([]);
    await second.bus.releaseGroupedEvents("g");
    await until(() => second.seen.length === 2, "both");
    expect(second.seen).toEqual([1, 2]);
    expect((await second.bus.inspect()).groups).toEqual([]);
  });

  test("are cleared by name and by step", async () => {
    const { bus, seen } = await start();
    await bus.emit([
      message(1, "a", "s1"),
      message(2, "b", "s1"),
      message(3, "a", "s2"),
      message(4, "b"),
    ]);
    await bus.clearGroupedEvents("g", { eventNames: ["a"], stepIds: ["s1"] });
    await bus.clearGroupedEvents("g", { stepIds: ["s2"] });
    await bus.clearGroupedEvents("other");
    await bus.releaseGroupedEvents("g");
    await until(() => seen.length === 2, "the others");
    expect(seen).toEqual([2, 4]);
  });

  test("that were emitted in a transaction share its fate, and then wait", async () => {
    const { bus, seen } = await start();
    await database
      .transaction(async (tx) => {
        await bus.withTransaction(tx).emit(message("gone"));
        throw new Error("rolled back");
      })
      .catch(() => {});
    await database.transaction((tx) => bus.withTransaction(tx).emit([message("kept")]));
    expect((await bus.inspect()).groups).toMatchObject([{ events: 1 }]);
    await bus.releaseGroupedEvents("g");
    await until(() => seen.length > 0, "the event");
    expect(seen).toEqual(["kept"]);
  });

  test("that two release at once are published once", async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await one.bus.emit(Array.from({ length: 100 }, (_each, index) => message(index)));
    await Promise.all(
      [one, two, one, two].map(({ bus }) => bus.releaseGroupedEvents("g").catch(() => {})),
    );
    const seen = (): unknown[] => [...one.seen, ...two.seen];
    await until(() => seen().length >= 100, "all");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen()).toHaveLength(100);
  });

  test("belong to one claim at a time, until its lease ends", async () => {
    const { bus } = await start();
    await bus.emit([message(1)]);
    const store = database.createStore();
    const staging = new OutboxGroupStaging(store, false, () => {});
    expect(await staging.claim({ leaseMs: 100 })).toBeUndefined();
    await staging.mark("g");
    const claim = await staging.claim({ leaseMs: 200 });
    expect(claim?.events.map(({ envelope }) => envelope.data)).toEqual([1]);
    await bus.emit([message(2)]);
    await staging.mark("g");
    expect(await staging.claim({ eventGroupId: "g", leaseMs: 100 })).toBeUndefined();
    expect(await staging.clear("g", { eventNames: ["b"] })).toBe(0);
    const later = await until(
      () => staging.claim({ eventGroupId: "g", leaseMs: 1_000 }),
      "the lease",
    );
    expect(later.events).toHaveLength(2);
    const late =
      claim &&
      staging.complete(
        claim,
        claim.events.map(({ envelope }) => envelope),
      );
    await expect(late).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    await staging.abandon(later);
    expect(await staging.claim({ leaseMs: 1_000 })).toMatchObject({ eventGroupId: "g" });
  });

  test("expire only if that is asked for, and not once their release is", async () => {
    const { bus } = await start();
    const staging = new OutboxGroupStaging(database.createStore(), false, () => {});
    const events = [{ envelope: { id: "1", name: "a", data: 1, metadata: {} as never } }];
    await staging.stage("kept", events, {});
    await staging.stage("expires", events, { ttlMs: 50 });
    await staging.stage("marked", events, { ttlMs: 50 });
    await staging.mark("marked");
    await until(async () => (await staging.list()).length === 2, "the end of the one");
    await staging.mark("expires");
    expect(await staging.claim({ eventGroupId: "expires", leaseMs: 100 })).toBeUndefined();
    await deleteOldRows(database.createStore(), undefined, silent);
    expect(await database.query("SELECT group_id FROM busbar_outbox ORDER BY group_id")).toEqual([
      { group_id: "kept" },
      { group_id: "marked" },
    ]);
    await bus.clearGroupedEvents("kept");
  });

  test("of a workflow are published when it succeeds, and cleared when it fails", async () => {
    const { bus, seen } = await start();
    const fail = createStep("fail", (input: boolean) => {
      if (input) throw new Error("no stock");
      return new StepResponse(undefined);
    });
    const workflow = createWorkflow("place", (input: WorkflowData<boolean>) => {
      emitEventStep({ eventName: "order.placed", data: { orderId: "1" } });
      fail(input);
      return new WorkflowResponse(input);
    });
    const container = { resolve: () => bus };
    await expect(workflow(container as never).run({ input: true })).rejects.toThrow("no stock");
    expect((await bus.inspect()).groups).toEqual([]);
    await workflow(container as never).run({ input: false });
    await until(() => seen.length === 1, "the event");
    expect(seen).toEqual([{ orderId: "1" }]);
  });

  test("are cancelled event by event, and delayed events of transactions too", async () => {
    const { bus, seen } = await start();
    await bus.emit([message(1), message(2)]);
    const [staged] = await bus.emit(message(3) as { name: string; data: unknown });
    const delayed = await database.transaction((tx) =>
      bus.withTransaction(tx).emit("a", 4, { delay: 60_000, to: ["all"] }),
    );
    expect(await bus.cancel(staged)).toBe(1);
    expect(await bus.cancel(staged)).toBe(0);
    expect(await bus.cancel(delayed[0] as string, { subscriberId: "all" })).toBe(0);
    expect(await bus.cancel(delayed[0] as string)).toBe(1);
    await bus.releaseGroupedEvents("g");
    await database.transaction((tx) => bus.withTransaction(tx).emit("a", 5, { to: ["all"] }));
    await until(() => seen.length === 3, "the events that were not cancelled");
    expect(seen).toEqual([1, 2, 5]);
  });
});
