import { describe, expect, test } from "vitest";
import { createStep, createWorkflow, emitEventStep } from "../../src/workflows.ts";
import { makeContainer, RecordingBus } from "./recording-bus.ts";

/** As somebody without a compiler would write it. */
function untyped(value: unknown): never {
  return value as never;
}

const nothing = (): void => {};
const step = createStep("s", nothing);
const workflow = createWorkflow("w", nothing);
const configure = (options: unknown) =>
  createWorkflow("c", () => void step().config(untyped(options)));
const run = (options: unknown) => workflow().run(untyped(options));

describe("a mistake in the options of", () => {
  test.each<[string, () => unknown]>([
    [
      'createStep() has no option "maxRetires", did you mean "maxRetries"?',
      () => createStep(untyped({ name: "s", maxRetires: 1 }), nothing),
    ],
    [
      'createStep() has no option "timeout", did you mean "timeoutMs"?',
      () => createStep(untyped({ name: "s", timeout: 1 }), nothing),
    ],
    [
      'createStep() has no option "compensateInput"; known are name, maxRetries, retryIntervalMs, timeoutMs',
      () => createStep(untyped({ name: "s", compensateInput: 1 }), nothing),
    ],
    [
      "createStep(): option maxRetries must be a whole number from 0, not 1.5",
      () => createStep({ name: "s", maxRetries: 1.5 }, nothing),
    ],
    [
      "createStep(): option maxRetries must be a whole number from 0, not a string",
      () => createStep({ name: "s", maxRetries: untyped("3") }, nothing),
    ],
    [
      "createStep(): option retryIntervalMs must be milliseconds from 0 to 2147483647, not -1",
      () => createStep({ name: "s", retryIntervalMs: -1 }, nothing),
    ],
    [
      "createStep(): option timeoutMs must be milliseconds from 1 to 2147483647, not 0",
      () => createStep({ name: "s", timeoutMs: 0 }, nothing),
    ],
    [
      "createStep(): option timeoutMs must be milliseconds from 1 to 2147483647, not NaN",
      () => createStep({ name: "s", timeoutMs: Number.NaN }, nothing),
    ],
    [
      "createStep(): option name must be a string that is not empty",
      () => createStep(untyped({ name: 5 }), nothing),
    ],
    ["A step needs a name that is not empty", () => createStep(untyped({}), nothing)],
    [
      "createStep(): its options must be an object, not undefined",
      () => createStep(untyped(undefined), nothing),
    ],
    ['Step "s" needs a function', () => createStep("s", untyped("f"))],
    [
      'The compensation of step "s" must be a function',
      () => createStep("s", nothing, untyped({})),
    ],
    [
      'config() of step "s" has no option "timeoutMS", did you mean "timeoutMs"?',
      () => configure({ timeoutMS: 1 }),
    ],
    [
      'config() of step "s": option retryIntervalMs must be milliseconds from 0 to 2147483647, not a string',
      () => configure({ retryIntervalMs: "1s" }),
    ],
    [
      'createWorkflow() has no option "nam", did you mean "name"?',
      () => createWorkflow(untyped({ nam: "w" }), nothing),
    ],
    [
      'createWorkflow() has no option "timeoutMs"; known are name',
      () => createWorkflow(untyped({ name: "w", timeoutMs: 1 }), nothing),
    ],
    ["A workflow needs a name that is not empty", () => createWorkflow("", nothing)],
    ['Workflow "w" needs a composer', () => createWorkflow("w", untyped(undefined))],
    [
      'runAsStep() of workflow "w" has no option "inputs", did you mean "input"?',
      () => createWorkflow("c", () => void workflow.runAsStep(untyped({ inputs: 1 }))),
    ],
    [
      'config() of step "w" has no option "maxRetries"; known are name',
      () => createWorkflow("c", () => void workflow.runAsStep().config(untyped({ maxRetries: 1 }))),
    ],
    [
      'Workflow "w": the container must have a resolve() method',
      () => workflow(untyped({ container: {} })),
    ],
  ])("a definition is a TypeError: %s", (message, call) => {
    expect(call).toThrow(new TypeError(message));
  });

  test.each<[string, unknown]>([
    ['run() of workflow "w" has no option "inptu", did you mean "input"?', { inptu: 1 }],
    [
      'run() of workflow "w" has no option "throwOnErr", did you mean "throwOnError"?',
      { throwOnErr: false },
    ],
    [
      'run() of workflow "w" has no option "container"; known are input, context, throwOnError, logOnError, events',
      { container: makeContainer({}) },
    ],
    ['run() of workflow "w": option throwOnError must be true or false', { throwOnError: "no" }],
    ['run() of workflow "w": option logOnError must be true or false', { logOnError: 1 }],
    ['run() of workflow "w": option context must be an object', { context: "c" }],
    ['run() of workflow "w": option events must be an object', { events: [] }],
    [
      'context in run() of workflow "w" has no option "eventGroup", did you mean "eventGroupId"?',
      { context: { eventGroup: "g" } },
    ],
    [
      'context in run() of workflow "w": option transactionId must be a string that is not empty',
      { context: { transactionId: 7 } },
    ],
    [
      'context in run() of workflow "w": option eventGroupId must be well-formed, without half of a surrogate pair',
      { context: { eventGroupId: "g\ud800" } },
    ],
    [
      'context in run() of workflow "w": option metadata must be an object',
      { context: { metadata: null } },
    ],
    [
      'events in run() of workflow "w" has no option "onFinished", did you mean "onFinish"?',
      { events: { onFinished: nothing } },
    ],
    [
      'events in run() of workflow "w": option onReleaseFailed must be a function',
      { events: { onReleaseFailed: "log" } },
    ],
    ['run() of workflow "w": its options must be an object, not string', "input"],
  ])("a run rejects with a TypeError: %s", async (message, options) => {
    await expect(run(options)).rejects.toThrow(new TypeError(message));
  });

  test("a run that names its container rejects with a TypeError", async () => {
    const message = 'run() of workflow "w": option container must have a resolve() method';
    await expect(workflow.run({ container: untyped({}) })).rejects.toThrow(new TypeError(message));
    await expect(workflow.run({ container: makeContainer({}) })).resolves.toBeDefined();
  });

  test("emitEventStep fails the step", async () => {
    const emitting = createWorkflow("e", () => {
      emitEventStep(untyped({ eventName: "a", data: {}, option: { delay: 5 } }));
    });
    const container = makeContainer({ event_bus: new RecordingBus() });
    const message = 'emitEventStep() has no option "option", did you mean "options"?';
    await expect(emitting(container).run()).rejects.toThrow(new TypeError(message));
  });
});

test("options that are undefined are as good as absent", async () => {
  const options = { name: "s", maxRetries: undefined, retryIntervalMs: undefined };
  const plain = createStep({ ...options, timeoutMs: undefined }, nothing);
  const made = createWorkflow("w", () => void plain().config({ name: undefined }));
  const context = { eventGroupId: undefined, transactionId: undefined, metadata: undefined };
  const events = { onFinish: undefined, onReleaseFailed: undefined };
  const unset = { throwOnError: undefined, logOnError: undefined };
  const { transaction } = await made.run({ container: undefined, context, events, ...unset });
  expect(transaction.state).toBe("done");
});
