import { describe, expect, test } from "vitest";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { memoryProvider, startTestBus } from "../support/test-bus.ts";

type Call = (bus: EventBus) => Promise<unknown>;

/** As somebody without a compiler would write it. */
function untyped(value: unknown): never {
  return value as never;
}

const half = "a\ud800";

describe("a mistake in a call is a TypeError that names it", () => {
  test.each<[string, Call]>([
    [
      'settled() has no option "evntId", did you mean "eventId"?',
      (bus) => bus.settled(untyped({ evntId: "1" })),
    ],
    [
      'settled() has no option "timeout", did you mean "timeoutMs"?',
      (bus) => bus.settled(untyped({ timeout: 5 })),
    ],
    [
      "settled(): option eventId must be a string that is not empty",
      (bus) => bus.settled({ eventId: untyped(["1"]) }),
    ],
    [
      "settled(): option timeoutMs must be milliseconds from 0",
      (bus) => bus.settled({ timeoutMs: Number.NaN }),
    ],
    [
      'stop() has no option "grace", did you mean "graceMs"?',
      (bus) => bus.stop(untyped({ grace: 5 })),
    ],
    [
      "stop(): option graceMs must be milliseconds from 0",
      (bus) => bus.stop({ graceMs: untyped("5") }),
    ],
    ["stop(): its options must be an object, not number", (bus) => bus.stop(untyped(5))],
    [
      'retire() has no option "event", did you mean "events"?',
      (bus) => bus.retire("mail", untyped({ event: "a" })),
    ],
    [
      "retire(): option events must be an array of strings",
      (bus) => bus.retire("mail", { events: untyped("a") }),
    ],
    [
      'retire(): option backlog must be "keep", "dead-letter" or "discard"',
      (bus) => bus.retire("mail", { backlog: untyped("drop") }),
    ],
    [
      "retire(): subscriberId must be well-formed, without half of a surrogate pair",
      (bus) => bus.retire(half),
    ],
    [
      "releaseGroupedEvents(): eventGroupId must be a string that is not empty",
      (bus) => bus.releaseGroupedEvents(untyped(undefined)),
    ],
    [
      "releaseGroupedEvents(): eventGroupId must be well-formed, without half of a surrogate pair",
      (bus) => bus.releaseGroupedEvents(half),
    ],
    [
      'clearGroupedEvents() has no option "stepId", did you mean "stepIds"?',
      (bus) => bus.clearGroupedEvents("g", untyped({ stepId: "s" })),
    ],
    [
      "clearGroupedEvents(): option stepIds must be well-formed, without half of a surrogate pair",
      (bus) => bus.clearGroupedEvents("g", { stepIds: ["s", half] }),
    ],
    [
      'deadLetters.list() has no option "subscriber", did you mean "subscriberId"?',
      (bus) => bus.deadLetters.list(untyped({ subscriber: "mail" })),
    ],
    [
      "deadLetters.replay(): subscriberId must be a string that is not empty",
      (bus) => bus.deadLetters.replay(untyped(undefined)),
    ],
    [
      "deadLetters.replay(): ids must be an array of strings",
      (bus) => bus.deadLetters.replay("mail", untyped("1")),
    ],
    [
      "deadLetters.discard(): subscriberId must be well-formed, without half of a surrogate pair",
      (bus) => bus.deadLetters.discard(half),
    ],
  ])("%s", async (message, call) => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    await expect(call(bus)).rejects.toThrow(new TypeError(message));
    await expect(bus.emit("a", 1)).resolves.toHaveLength(1);
  });

  test("an option of the bus that does not exist", () => {
    const provider = memoryProvider();
    expect(() => createEventBus(untyped({ provider, emitTimeout: 5 }))).toThrow(
      new TypeError('createEventBus() has no option "emitTimeout", did you mean "emitTimeoutMs"?'),
    );
  });

  test("an option of an emit that does not exist is refused with the one that was meant", async () => {
    const { bus } = await startTestBus();
    await expect(bus.emit("a", 1, untyped({ atempts: 3 }))).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
      details: {
        issues: [{ path: "options.atempts", reason: 'unknown key, did you mean "attempts"?' }],
      },
    });
  });
});
