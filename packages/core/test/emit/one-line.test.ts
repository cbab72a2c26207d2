// An id, a name or a reason of the user's does not break a line, neither of a log nor of an error.
import { expect, test } from "vitest";

import { defineEvents } from "../../src/events/define-events.ts";
import { startTestBus } from "../support/test-bus.ts";

const FORGED = "x\n2026-01-01 ERROR forged\r\u001B[31m\u2028";

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as Error).message;
  }
  return expect.fail("should have failed");
}

test("messages of errors have one line, whatever is in ids, names and data", async () => {
  const events = defineEvents({
    known: {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => ({ issues: [{ path: [FORGED], message: FORGED }] }),
      },
    },
  });
  const { bus, logger } = await startTestBus({ events } as object);
  const messages = [
    await messageOf(() => bus.emit(FORGED, undefined)),
    await messageOf(() => bus.emit("known", {})),
    await messageOf(() => bus.emit("a", { [FORGED]: () => {} })),
    await messageOf(() => bus.emit({ name: "a", data: 1, [FORGED]: 1 } as never)),
    await messageOf(() => bus.retire(FORGED)),
    await messageOf(() => bus.pause(FORGED)),
    await messageOf(() => bus.subscribe(`${FORGED}.**.a`, () => {})),
    await messageOf(() => bus.subscribe("a", () => {}, { subscriberId: FORGED })),
  ];
  for (const message of messages) expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);

  bus.subscribe("b", () => Promise.reject(new Error(FORGED)), { subscriberId: "mail" });
  bus.subscribe("*", () => Promise.reject(new Error(FORGED)), { subscriberId: "all" });
  await bus.emit("b", 1);
  await bus.settled();
  expect(logger.lines.length).toBeGreaterThan(0);
  for (const { message } of logger.lines) expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
});

test("a message lists the first of many issues, and counts the others", async () => {
  const { bus } = await startTestBus();
  const messages = Array.from({ length: 5_000 }, () => ({ name: "a", data: 1n as never }));
  const error = await bus.emit(messages).catch((reason: unknown) => reason as Error);
  expect((error as Error).message).toMatch(/; and 4980 more$/);
  expect((error as Error).message.length).toBeLessThan(2_000);
});

test("several handlers that throw what is no error do not put it into the log", async () => {
  const { bus, logger } = await startTestBus();
  for (const _ of [1, 2]) {
    bus.subscribe("a", () => Promise.reject({ card: "4242" } as never), { subscriberId: `s${_}` });
    bus.subscribe("*", () => Promise.reject({ card: "4242" } as never), { subscriberId: `s${_}` });
  }
  await bus.emit("a", 1);
  await bus.settled();
  expect(logger.at("error")).toHaveLength(2);
  expect(JSON.stringify(logger.lines)).not.toContain("4242");
  for (const { fields } of logger.lines) {
    expect(String((fields["err"] as Error).message)).not.toContain("4242");
  }
});
