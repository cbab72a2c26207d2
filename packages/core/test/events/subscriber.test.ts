import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { ServiceContainer } from "../../src/contract/container.ts";
import type { Logger } from "../../src/contract/logger.ts";
import { defineEvents } from "../../src/events/define-events.ts";

const events = defineEvents({
  "order.placed": z.object({ orderId: z.string() }),
  "order.shipped": z.object({ carrier: z.string() }),
});

const event = { id: "1", name: "order.placed", data: { orderId: "42" }, metadata: {} } as const;
const container = {} as ServiceContainer;
const logger = {} as Logger;

describe("subscriber", () => {
  test("is the default export of a file in the subscribers folder", async () => {
    const seen: string[] = [];
    const handler = events.subscriber(
      "order.placed",
      async (args) => {
        seen.push(args.event.data.orderId);
        await Promise.resolve();
      },
      { subscriberId: "receipts", attempts: 3 },
    );
    const { signal } = new AbortController();
    await handler({ event, signal, attempt: 1, subscriberId: "receipts", container, logger });
    expect(seen).toEqual(["42"]);
    expect(handler.config).toEqual({
      event: "order.placed",
      context: { subscriberId: "receipts", attempts: 3 },
    });
  });

  test("has the arguments of a bus", async () => {
    const handle = vi.fn<(args: object) => void>();
    const selected = ["order.placed", "order.shipped"] as const;
    const handler = events.subscriber(selected, handle, { subscriberId: "log" });
    const [names, subscriber, context] = handler.subscription;
    expect(names).toEqual(selected);
    expect(context).toEqual({ subscriberId: "log" });

    const delivery = { attempt: 2, subscriberId: "log", container, logger };
    const readSignal = vi.fn(() => new AbortController().signal);
    await subscriber(
      event,
      Object.defineProperty(delivery as never, "signal", { get: readSignal }),
    );
    const args = handle.mock.calls[0]?.[0];
    expect(args).toMatchObject({ event, attempt: 2, subscriberId: "log" });
    expect(args).toHaveProperty("container", container);
    expect(args).toHaveProperty("logger", logger);
  });

  test("does not read the signal, which is made when first read", async () => {
    const readSignal = vi.fn(() => new AbortController().signal);
    const handler = events.subscriber("order.*", ({ event: { name } }) => void name);
    const delivery = Object.defineProperty({}, "signal", { get: readSignal }) as never;
    await handler.subscription[1](event, delivery);
    expect(readSignal).not.toHaveBeenCalled();

    const reading = events.subscriber("order.*", ({ signal }) => void signal.aborted);
    await reading.subscription[1](event, delivery);
    expect(readSignal).toHaveBeenCalledOnce();
  });

  test("has no policy unless one is given", () => {
    expect(events.subscriber("*", () => {}).config.context).toEqual({});
  });

  test("what the handler throws or rejects with reaches the bus", async () => {
    const throwing = events.subscriber("*", () => {
      throw new Error("now");
    });
    expect(() => throwing.subscription[1](event, {} as never)).toThrow("now");
    const rejecting = events.subscriber("*", async () => Promise.reject(new Error("later")));
    await expect(rejecting.subscription[1](event, {} as never)).rejects.toThrow("later");
  });
});
