import type { EmitOptions, EventMetadata } from "../contracts/event.ts";
import type { StepResult } from "../workflows/create-step.ts";
import type { StepContext } from "../workflows/step-context.ts";
import type { Placeholder, StepInput } from "../workflows/workflow-data.ts";
import type { EventName } from "./event-patterns.ts";

/** One payload, or several: one event each. */
export type Payloads<T> =
  // A payload that is an array itself goes into another, lest each of its items be an event.
  (T extends readonly unknown[] ? never : T) | readonly T[];

/** What a typed `emitEventStep` takes: the type of the data follows the name. */
export interface TypedEmitEventStepInput<Name extends string, T> {
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

type OnePayload<T> = T extends readonly unknown[] ? never : T extends object ? StepInputs<T> : T;

// `StepInput` takes a type without required members as it is.
type StepInputs<T> = { [Key in keyof T]: StepInput<T[Key]> };
