import type { EmitOptions, EventMetadata } from "../contract/event.ts";
import type { EventCatalogue } from "../contract/catalogue.ts";
import type { StepResult } from "./create-step.ts";
import { emitEventStep } from "./emit-event-step.ts";
import type { StepContext } from "./step-context.ts";
import type { Placeholder, StepInput } from "./workflow-data.ts";
import type { EventName } from "../contract/event-patterns.ts";

/** One payload, or several: one event each. */
export type Payloads<T> =
  // A payload that is an array itself goes into another, lest each of its items be an event.
  (T extends readonly unknown[] ? never : T) | readonly T[];

/** What a typed `emitEventStep` takes: the type of the data follows the name. */
export interface TypedEmitEventStepInput<Name extends string, T> {
  /** The name of the event, one of the catalogue. */
  readonly eventName: Name;
  /**
   * One payload or several, with placeholders anywhere inside, or a function of the step's context
   * that returns them, or resolves with them. Nothing is emitted for undefined.
   */
  readonly data:
    | OnePayload<T>
    | readonly (
        | OnePayload<T>
        | Placeholder<T>
        | (T extends readonly unknown[] ? StepInput<T> : never)
      )[]
    | Placeholder<Payloads<T> | undefined>
    | ((context: StepContext) => Payloads<T> | undefined | Promise<Payloads<T> | undefined>);
  /** Goes into each event's metadata; `eventGroupId` and `stepId` are the step's own. */
  readonly metadata?: StepInputs<EventMetadata> | undefined;
  /** Goes into each message. */
  readonly options?: StepInputs<EmitOptions> | undefined;
}

/** `emitEventStep` for the events of a catalogue. */
export interface TypedEmitEventStep<Events extends object> {
  /**
   * Adds the step to the workflow that is being composed.
   *
   * @throws TypeError outside of a composer.
   */
  <Name extends EventName<Events>>(
    input: TypedEmitEventStepInput<Name, Events[Name]>,
  ): StepResult<readonly string[]>;
  /** The name of the step. */
  readonly stepName: string;
}

/**
 * Types {@link emitEventStep} by a catalogue: the data follows the event's name. It is the same step.
 *
 * @example
 * ```ts
 * const emitShopEvent = createEmitEventStep(events);
 * emitShopEvent({ eventName: "order.placed", data: { orderId: order.id } });
 * ```
 */
export function createEmitEventStep<Events extends object>(
  // Types are all that it adds. The bus validates.
  _events: EventCatalogue<Events, object>,
): TypedEmitEventStep<Events> {
  return emitEventStep as TypedEmitEventStep<Events>;
}

type OnePayload<T> = T extends readonly unknown[] ? never : T extends object ? StepInputs<T> : T;

// `StepInput` takes a type without required members as it is.
type StepInputs<T> = { [Key in keyof T]: StepInput<T[Key]> };
