import { Modules } from "../contract/container.ts";
import type { EmitOptions, EventMessage, EventMetadata } from "../contract/event.ts";
import { assertEmitInput } from "./check-options.ts";
import type { Step } from "./create-step.ts";
import { defineStep } from "./create-step.ts";
import { currentAttempt } from "./current-step.ts";
import type { StepContext } from "./step-context.ts";

/**
 * The data of an event, or of several: an array is one event for each item. Nothing is emitted for
 * undefined.
 */
export type EmitEventData<T extends object = object> = T | readonly T[] | undefined;

/** What {@link emitEventStep} emits. Placeholders may be anywhere inside, except in a function. */
export interface EmitEventStepInput<T extends object = object> {
  /** The name of the event. */
  readonly eventName: string;
  /** The data, or a function of the step's context that returns it, or resolves with it. */
  readonly data:
    | EmitEventData<T>
    | ((context: StepContext) => EmitEventData<T> | Promise<EmitEventData<T>>);
  /** Goes into each event's metadata; `eventGroupId` and `stepId` are the step's own. */
  readonly metadata?: EventMetadata | undefined;
  /** Goes into each message. */
  readonly options?: EmitOptions | undefined;
}

/**
 * Emits events when the workflow succeeds. They are staged in the run's group, on the container's
 * event module, before any other step, condition or transform runs; they are released once the last
 * step has finished, and cleared when one fails. Where the provider can do both in one request, events
 * of the last steps are staged and released at once. Undoing the step clears the events of this use of it, and no others. Its output are
 * the ids of the events.
 *
 * May be used many times in one workflow.
 *
 * @example
 * ```ts
 * emitEventStep({ eventName: "order.placed", data: { orderId: order.id } });
 * ```
 */
export const emitEventStep: Step<EmitEventStepInput, readonly string[]> = defineStep(
  { name: "emit-event-step", onlyEmits: true },
  async (input: EmitEventStepInput, context): Promise<readonly string[]> => {
    assertEmitInput(input);
    const { eventName, metadata, options } = input;
    let { data } = input;
    if (typeof data === "function") {
      data = await data(context);
      // Time may have run out in the function: what is staged now would be nobody's.
      context.signal.throwIfAborted();
    }
    const items = (Array.isArray(data) ? data : [data]) as readonly unknown[];
    const messages = items
      .filter((item) => item !== undefined)
      .map((item): EventMessage => {
        const { eventGroupId, stepId } = context;
        return {
          name: eventName,
          data: item,
          metadata: { ...metadata, eventGroupId, stepId },
          ...(options && { options }),
        };
      });
    if (messages.length === 0) return [];
    const bus = context.container.resolve(Modules.EVENT_BUS);
    const attempt = currentAttempt();
    if (!attempt) return bus.emit(messages);
    attempt.run.group.stagedOn(bus);
    return attempt.emit(bus, messages);
  },
  async (_ids, { stepId }) => {
    await currentAttempt()?.run.group.discard([stepId]);
  },
);
