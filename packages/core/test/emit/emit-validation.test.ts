import { describe, expect, test } from "vitest";
import type { EmitOptions, EventMessage } from "../../src/contract/event.ts";
import type { Issue } from "../../src/contract/issue.ts";
import { BusbarError, isBusbarError } from "../../src/errors/errors.ts";
import { startTestBus } from "../support/test-bus.ts";

/** What the bus has to say of an emit that it refuses; nothing of it is sent. */
async function issuesOf(first: unknown, ...rest: unknown[]): Promise<readonly Issue[]> {
  const { bus } = await startTestBus();
  const seen: unknown[] = [];
  bus.subscribe("*", ({ data }) => void seen.push(data));
  const emit = bus.emit.bind(bus) as unknown as (...given: unknown[]) => Promise<unknown>;
  const error: unknown = await emit(first, ...rest).then(
    () => new Error("It was emitted"),
    (reason) => reason,
  );
  await bus.settled();
  expect(seen).toEqual([]);
  expect((await bus.inspect()).counters.emitted).toBe(0);
  if (!isBusbarError(error, "BUSBAR_INVALID_MESSAGE")) throw error;
  expect(error).toBeInstanceOf(BusbarError);
  for (const { path, reason } of error.details.issues) {
    expect(error.message).toContain(path ? `${path}: ${reason}` : reason);
  }
  return error.details.issues;
}

const withOptions = (options: unknown) => ({ name: "a", data: 1, options: options as EmitOptions });

describe("a malformed name", () => {
  test.each([
    ["", "must not be empty"],
    ["order placed", "must not contain spaces or control characters"],
    [" order", "must not contain spaces or control characters"],
    ["order\u0000", "must not contain spaces or control characters"],
    ["order\n", "must not contain spaces or control characters"],
    ["order\u0085", "must not contain spaces or control characters"],
    ["o".repeat(256), "must have at most 255 characters"],
    ["order.*", "must not contain *, which is for patterns"],
    ["*", "must not contain *, which is for patterns"],
  ])("%j is refused", async (name, reason) => {
    expect(await issuesOf(name, 1)).toEqual([{ path: "name", reason }]);
    expect(await issuesOf({ name, data: 1 })).toEqual([{ path: "name", reason }]);
    expect(await issuesOf([{ name, data: 1 }])).toEqual([{ path: "[0].name", reason }]);
  });

  test.each([[undefined], [null], [42], [Symbol("order.placed")], [["order.placed"]]])(
    "%o in a message is refused",
    async (name) => {
      expect(await issuesOf({ name, data: 1 })).toEqual([
        { path: "name", reason: "must be a string, such as order.placed" },
      ]);
    },
  );

  test.each([
    ["a"],
    ["o".repeat(255)],
    ["order-placed_v2:x/y"],
    ["bestellung.aufgegeben.für.日本"],
  ])("%s is accepted", async (name) => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe(name, (event) => void seen.push(event.name));
    await bus.emit(name, 1);
    await bus.settled();
    expect(seen).toEqual([name]);
  });
});

describe("what is no message", () => {
  test.each([
    [undefined, ""],
    [null, ""],
    [42, ""],
    [true, ""],
    [["order.placed"], "[0]"],
    [[{ name: "a", data: 1 }, null], "[1]"],
    [Array.from({ length: 1 }), "[0]"],
    [Object.assign([], { length: 1 }), "[0]"],
    [[[{ name: "a", data: 1 }]], "[0].0"],
  ])("%o is refused", async (message, path) => {
    const issues = await issuesOf(message);
    expect(issues[0]?.path).toBe(path);
  });

  test("an unknown member is refused, as the typing error that it is", async () => {
    expect(await issuesOf({ name: "a", data: 1, body: 2 })).toEqual([
      {
        path: "body",
        reason: "is not a member of a message; known are name, data, id, metadata, options",
      },
    ]);
    expect(
      await issuesOf([
        { name: "a", data: 1 },
        { name: "a", data: 1, option: {} },
      ]),
    ).toEqual([
      { path: "[1].option", reason: 'is not a member of a message, did you mean "options"?' },
    ]);
  });

  test.each([[""], ["i".repeat(256)], [42], [null]])("the id %o is refused", async (id) => {
    expect(await issuesOf({ name: "a", data: 1, id })).toEqual([
      { path: "id", reason: "must be a string of 1 to 255 characters" },
    ]);
  });

  test("an id of 255 characters is accepted", async () => {
    const { bus } = await startTestBus();
    const id = "i".repeat(255);
    expect(await bus.emit({ name: "a", data: 1, id })).toEqual([id]);
  });
});

describe("malformed options", () => {
  const WHOLE = "must be a whole number from 1";
  const MILLISECONDS = "must be a number of milliseconds from 0";
  const DELAY = `${MILLISECONDS}, or a Date`;
  const PRIORITY = `must be "high", "normal", "low" or a whole number from 1 to 2097151`;
  const KEY = "must be a string of 1 to 255 characters";
  const OWN =
    "must be an object of providers' own options, each an object under the provider's name";

  const cases: readonly (readonly [option: string, value: unknown, reason: string])[] = [
    ["attempts", 0, WHOLE],
    ["attempts", -1, WHOLE],
    ["attempts", 1.5, WHOLE],
    ["attempts", "3", WHOLE],
    ["attempts", Number.NaN, WHOLE],
    ["attempts", Number.POSITIVE_INFINITY, WHOLE],
    ["attempts", null, WHOLE],
    ["delay", -1, DELAY],
    ["delay", "100", DELAY],
    ["delay", Number.NaN, DELAY],
    ["delay", Number.POSITIVE_INFINITY, DELAY],
    ["delay", new Date(Number.NaN), "must be a valid Date"],
    ["priority", 0, PRIORITY],
    ["priority", 2_097_152, PRIORITY],
    ["priority", 1.5, PRIORITY],
    ["priority", "urgent", PRIORITY],
    ["priority", "toString", PRIORITY],
    ["backoff", -1, MILLISECONDS],
    ["backoff", "1s", MILLISECONDS],
    ["backoff", null, MILLISECONDS],
    ["backoff", { delay: 1 }, `needs a type: "fixed" or "exponential"`],
    ["backoff", { type: "linear", delay: 1 }, `needs a type: "fixed" or "exponential"`],
    ["backoff", { type: "fixed" }, `needs a delay, which ${MILLISECONDS}`],
    ["backoff", { type: "fixed", delay: -1 }, `needs a delay, which ${MILLISECONDS}`],
    [
      "backoff",
      { type: "fixed", delay: 1, jitter: 1.1 },
      "has a jitter that must be a number from 0 to 1",
    ],
    [
      "backoff",
      { type: "fixed", delay: 1, jitter: Number.NaN },
      "has a jitter that must be a number from 0 to 1",
    ],
    [
      "backoff",
      { type: "exponential", delay: 1, maxDelay: -1 },
      `has a maxDelay that ${MILLISECONDS}`,
    ],
    [
      "backoff",
      { type: "fixed", delay: 1, max: 5 },
      `has no member "max", did you mean "maxDelay"?`,
    ],
    ["internal", "yes", "must be true or false"],
    ["orderingKey", "", KEY],
    ["orderingKey", 42, KEY],
    ["orderingKey", "k".repeat(256), KEY],
    ["deduplicationId", "", KEY],
    ["provider", "redis", OWN],
    ["provider", null, OWN],
    ["provider", [], OWN],
    ["provider", { redis: 1 }, OWN],
    ["removeOnComplete", true, `is not an option; a provider's own options go under "provider"`],
    ["toString", true, `is not an option; a provider's own options go under "provider"`],
  ];

  test.each(cases)("%s of %o is refused", async (option, value, reason) => {
    const options = { [option]: value };
    expect(await issuesOf("a", 1, options)).toEqual([{ path: `options.${option}`, reason }]);
    expect(await issuesOf(withOptions(options))).toEqual([{ path: `options.${option}`, reason }]);
    expect(await issuesOf([withOptions({}), withOptions(options)])).toEqual([
      { path: `[1].options.${option}`, reason },
    ]);
  });

  test.each(cases)("%s of %o in the module's options is a TypeError", (option, value, reason) => {
    const made = startTestBus({ defaults: { [option]: value } as EmitOptions });
    return expect(made).rejects.toThrow(
      new TypeError(`createEventBus(): option defaults.${option} ${reason}`),
    );
  });

  test.each([
    [null, "null"],
    [42, "number"],
    ["high", "string"],
    [[], "an array"],
  ])("options that are %o are refused", async (options, what) => {
    const expected = [{ path: "options", reason: `must be an object, not ${what}` }];
    expect(await issuesOf("a", 1, options)).toEqual(expected);
    expect(await issuesOf(withOptions(options))).toEqual(expected);
  });

  test.each([
    [{ priority: 1 }],
    [{ priority: 2_097_151 }],
    [{ delay: 0 }],
    [{ attempts: 1 }],
    [{ backoff: 0 }],
    [{ backoff: { type: "exponential", delay: 0, jitter: 1, maxDelay: 0 } }],
    [{ provider: {} }],
    [{ orderingKey: "k".repeat(255) }],
  ] satisfies readonly [EmitOptions][])("%o are accepted", async (options) => {
    const { bus } = await startTestBus();
    expect(await bus.emit("a", 1, options)).toHaveLength(1);
  });

  test("own options of the provider that are not JSON are refused with their place", async () => {
    expect(await issuesOf("a", 1, { provider: { memory: { job: { onDone() {} } } } })).toEqual([
      { path: "options.provider.memory.job.onDone", reason: "a function is not JSON" },
    ]);
  });
});

describe("malformed metadata", () => {
  const message = (metadata: unknown) =>
    ({ name: "a", data: 1, metadata }) as unknown as EventMessage;

  test.each([[null], [42], ["text"], [[]]])("%o is refused", async (metadata) => {
    expect(await issuesOf(message(metadata))).toEqual([
      { path: "metadata", reason: "must be an object" },
    ]);
  });

  test.each([[new Date(Number.NaN)], ["yesterday"], [null], [{}], [true], [Number.NaN]])(
    "a created_at of %o is refused",
    async (created_at) => {
      expect(await issuesOf(message({ created_at }))).toEqual([
        { path: "metadata.created_at", reason: "must be a Date" },
      ]);
    },
  );

  test.each(["eventGroupId", "stepId", "correlationId", "causationId"])(
    "a malformed %s is refused",
    async (member) => {
      const reason = "must be a string of 1 to 255 characters";
      const path = `[0].metadata.${member}`;
      for (const value of ["", "x".repeat(256), 42, null]) {
        expect(await issuesOf([message({ [member]: value })])).toEqual([{ path, reason }]);
      }
    },
  );

  test("what is not JSON is refused with its place", async () => {
    expect(await issuesOf(message({ tenant: { id: 1n } }))).toEqual([
      { path: "metadata.tenant.id", reason: "a BigInt is not JSON; use a string" },
    ]);
  });
});

describe("a refusal", () => {
  test("names every mistake in every message, and none of them is sent", async () => {
    const issues = await issuesOf(
      [
        { name: "order.placed", data: 1 },
        { name: "order placed", data: undefined, id: "", metadata: 7, options: { attempts: 0 } },
        { name: "order.paid", data: 1, metadata: { stepId: 7 } },
        { name: "order.paid", data: { at: Number.NaN } },
      ],
      { delay: -1 },
    );
    expect(issues.map(({ path }) => path).toSorted()).toEqual([
      "[1].data",
      "[1].id",
      "[1].metadata",
      "[1].name",
      "[1].options.attempts",
      "[2].metadata.stepId",
      "[3].data.at",
      "options.delay",
    ]);
  });

  test("an emit that is refused does not keep the next one from being sent", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data));
    await expect(bus.emit("a", undefined)).rejects.toThrow("data: undefined is not JSON");
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([1]);
  });
});
