import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";

import { createEventBus } from "../../src/event-bus.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";

test("a pino logger fits as it is, and never gets a payload", async () => {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
  const bus = createEventBus({ provider, logger: pino({ level: "debug" }, stream) });
  onTestFinished(() => bus.stop());
  bus.subscribe("order.placed", () => Promise.reject(new Error("mail server busy")), {
    subscriberId: "send-receipt",
  });
  await bus.start();

  const [eventId] = await bus.emit("order.placed", { card: "4242 4242 4242 4242" });
  await bus.settled();

  const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(logged).toContainEqual(
    expect.objectContaining({
      level: 50,
      subscriberId: "send-receipt",
      event: "order.placed",
      eventId,
      attempt: 1,
      reason: "failed",
      err: expect.objectContaining({ message: "mail server busy" }) as unknown,
    }),
  );
  expect(lines.join("")).not.toContain("4242");
});
