import { EventEmitter } from "node:events";
import { inspect } from "node:util";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { expect, onTestFinished, test } from "vitest";

import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";

/** As some libraries do, it quotes what it received. */
const quotingSchema: StandardSchemaV1<{ card: string }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => ({
      issues: [{ path: ["card"], message: `Expected a number, received ${JSON.stringify(value)}` }],
    }),
  },
};

test("an error of a schema names the place, and does not quote the value, when the schema does", async () => {
  const events = defineEvents({ "order.placed": quotingSchema }, { validateAtConsume: true });
  const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  const logger = createRecordingLogger();
  const bus = createEventBus({ provider, events, logger });
  onTestFinished(() => bus.stop());
  await bus.start();

  const error: unknown = await bus
    .emit("order.placed", { card: "4242 4242" })
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "BUSBAR_INVALID_EVENT" });
  expect((error as Error).message).toMatch(/card: Expected a number, received/);
  expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain("4242");
});

test("neither does the dead letter, nor the log, of an event that is refused at consume", async () => {
  let accepts = true;
  const schema: StandardSchemaV1<{ card: string }> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) =>
        accepts ? { value: value as { card: string } } : quotingSchema["~standard"].validate(value),
    },
  };
  const events = defineEvents({ "order.placed": schema }, { validateAtConsume: true });
  const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  const logger = createRecordingLogger();
  const bus = createEventBus({ provider, events, logger });
  onTestFinished(() => bus.stop());
  bus.subscribe("order.placed", () => {}, { subscriberId: "receipt" });
  await bus.start();
  const emitted = bus.emit("order.placed", { card: "4242 4242" });
  accepts = false;
  await emitted;
  await bus.settled();

  const { items } = await bus.deadLetters.list();
  expect(items).toHaveLength(1);
  expect(inspect(items[0]?.errors, { depth: Infinity })).toContain("does not match its schema");
  expect(inspect(items[0]?.errors, { depth: Infinity })).not.toContain("4242");
  expect(logger.at("error")).toHaveLength(1);
  expect(inspect(logger.lines, { depth: Infinity, showHidden: true })).not.toContain("4242");
});
