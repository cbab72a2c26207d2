import { createEventBus, type EventBus, isBusbarError, type Logger } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCatalogue } from "../../src/catalogue/catalogue.ts";
import { defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import type { ActiveSubscriptions } from "../../src/contract/active-subscriptions.ts";
import { type EmitOperational, operationalEmitter } from "../../src/route/operational-emitter.ts";
import { Publisher } from "../../src/route/publisher.ts";

interface Seen {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly key: string | undefined;
}

describe("publish", () => {
  let bus: EventBus;
  let publisher: Publisher;
  let emitOperational: EmitOperational;
  let seen: Seen[];
  let wanted: Set<string>;
  let logged: string[];

  beforeEach(async () => {
    seen = [];
    logged = [];
    wanted = new Set(["order.placed"]);
    const active: ActiveSubscriptions = {
      wants: (name) => wanted.has(name),
      matching: () => [],
      revision: 7,
      hasRead: () => true,
      refresh: async () => {},
      hasSnapshots: false,
      onChange: () => () => {},
    };
    const catalogue = await openCatalogue([
      defineAsyncEvents({ "order.placed": {}, "order.paid": {} }),
    ]);
    const log = (_fields: object, message: string): void => void logged.push(message);
    const logger: Logger = { debug() {}, info() {}, warn: log, error: log };
    bus = createEventBus({
      provider: localProvider(),
      logger,
      plugins: [
        {
          name: "webhooks",
          start(context) {
            publisher = new Publisher(context.bus, catalogue, active);
            emitOperational = operationalEmitter(context.bus, logger);
          },
        },
      ],
    });
    bus.subscribe(
      "**",
      ({ id, name, data, metadata }, { orderingKey: key }) =>
        void seen.push({ id, name, data, metadata, key }),
      { subscriberId: "all", ordering: "key" },
    );
    await bus.start();
  });

  afterEach(() => bus.stop());

  test("emits the arguments with scope, key, id and metadata", async () => {
    const options = { scope: 3, orderingKey: "42", id: "e1", metadata: { traceparent: "00-1" } };
    expect(await publisher.publish("order.placed", { id: "42" }, options)).toBe("e1");
    const made = await publisher.publish("order.placed", { id: "43" });
    await bus.settled();
    expect(seen).toMatchObject([
      {
        id: "e1",
        name: "order.placed",
        data: { id: "42" },
        metadata: { scope: 3, traceparent: "00-1", webhookRevision: 7 },
        key: "42",
      },
      { id: made, data: { id: "43" }, key: undefined },
    ]);
    expect(seen[1]?.metadata).not.toHaveProperty("scope");
  });

  test("emits nothing that no subscription wants, and asks anew each time", async () => {
    expect(await publisher.publish("order.paid", {})).toBeNull();
    wanted.add("order.paid");
    expect(await publisher.publish("order.paid", {})).toBeTypeOf("string");
    wanted.delete("order.paid");
    expect(await publisher.publish("order.paid", {})).toBeNull();
    await bus.settled();
    expect(seen).toHaveLength(1);
  });

  test("names the event that was meant, and the option that is wrong", async () => {
    await expect(publisher.publish("order.place", {})).rejects.toThrow(
      'publish(): there is no async event "order.place", did you mean "order.placed"?',
    );
    await expect(publisher.publish("webhooks.endpoint.warning", {})).rejects.toThrow(
      "there is no async event",
    );
    await expect(publisher.publish("order.placed", {}, { scope: "a\nb" })).rejects.toThrow(
      "publish(): option scope must be a number or a string",
    );
    await expect(publisher.publish("order.placed", {}, { key: "x" } as never)).rejects.toThrow(
      'publish() has no option "key"',
    );
    expect(seen).toEqual([]);
  });

  test("needs a plugin that stages to publish in a transaction", () => {
    const refused = (): unknown => publisher.within({});
    expect(refused).toThrow("outbox");
    try {
      refused();
    } catch (error) {
      expect(isBusbarError(error, "BUSBAR_UNSUPPORTED")).toBe(true);
    }
  });

  test("publishes in a transaction by way of a plugin that stages", async () => {
    const staging = createEventBus({
      provider: localProvider(),
      plugins: [
        {
          name: "staging",
          staging: {
            stage: async (transaction, envelopes) =>
              void (transaction as object[]).push(...envelopes),
          },
        },
      ],
    });
    await staging.start();
    const catalogue = await openCatalogue([defineAsyncEvents({ "order.placed": {} })]);
    const transaction: object[] = [];
    const inTransaction = new Publisher(staging, catalogue, {
      wants: () => true,
      matching: () => [],
      revision: 0,
      hasRead: () => true,
      refresh: async () => {},
      hasSnapshots: false,
      onChange: () => () => {},
    }).within(transaction);
    const id = await inTransaction.publish("order.placed", { id: "42" }, { scope: "de" });
    expect(transaction).toMatchObject([
      { id, name: "order.placed", data: { id: "42" }, metadata: { scope: "de" } },
    ]);
    await staging.stop();
  });

  test("operational events are emitted, but not those about their own deliveries", async () => {
    const about = { deliveryId: "d", eventId: "e", subscriptionId: "s", attempts: 3 };
    const exhausted = { ...about, errorClass: "timeout" };
    emitOperational("webhooks.delivery.exhausted", { ...exhausted, eventName: "order.placed" });
    emitOperational("webhooks.delivery.exhausted", {
      ...exhausted,
      eventName: "webhooks.endpoint.warning",
    });
    await bus.settled();
    expect(seen).toMatchObject([
      { name: "webhooks.delivery.exhausted", data: { deliveryId: "d" } },
    ]);
    expect(logged).toEqual(["The webhook delivery of an operational event is exhausted"]);
    await bus.stop();
    emitOperational("webhooks.subscription.changed", {
      subscriptionId: "s",
      version: 1,
      change: "created",
      by: null,
    });
    await expect.poll(() => logged).toContain("An operational event is lost");
  });
});
