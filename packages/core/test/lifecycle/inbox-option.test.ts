import { describe, expect, test } from "vitest";
import { createEventBus } from "../../src/event-bus.ts";
import type { InboxStore } from "../../src/contract/plugin.ts";
import { memoryProvider, startTestBus } from "../support/test-bus.ts";

describe("the inbox of a bus", () => {
  test("is a plugin that starts last, stops first, and is within all other middleware", async () => {
    const steps: string[] = [];
    const inbox: InboxStore = {
      createInbox: () => ({
        name: "inbox",
        start: () => void steps.push("inbox starts"),
        stop: () => void steps.push("inbox stops"),
        middleware: async ({ context }, next) => {
          steps.push("marked");
          context.tx = "transaction";
          await next();
        },
      }),
    };
    const { bus } = await startTestBus({
      inbox,
      plugins: [
        {
          name: "other",
          start: () => void steps.push("other starts"),
          stop: () => void steps.push("other stops"),
          middleware: async (_run, next) => {
            steps.push("other");
            await next();
          },
        },
      ],
    });
    bus.use(async (_run, next) => {
      steps.push("used");
      await next();
    });
    bus.subscribe("a", (_event, { tx }) => void steps.push(`handled in ${String(tx)}`), {
      subscriberId: "s",
    });
    await bus.emit("a", 1);
    await bus.settled();
    await bus.stop();
    expect(steps).toEqual([
      "other starts",
      "inbox starts",
      "other",
      "used",
      "marked",
      "handled in transaction",
      "inbox stops",
      "other stops",
    ]);
  });

  test("has to be a store", () => {
    const inbox = "postgres://localhost" as unknown as InboxStore;
    expect(() => createEventBus({ provider: memoryProvider(), inbox })).toThrow(
      new TypeError(
        "createEventBus(): option inbox must be a store of @busbar/outbox, such as pgStore({ pool }), not string",
      ),
    );
  });
});
