import { PermanentError } from "../errors/errors.ts";
import { isMarked, mark } from "../values/copies.ts";

/**
 * What a step returns when its compensation should get something else than its output.
 *
 * @example
 * ```ts
 * return new StepResponse(order, { orderId: order.id });
 * ```
 */
export class StepResponse<out TOutput, out TCompensateInput = TOutput> {
  /** What the step gives to the workflow. */
  readonly output: TOutput;
  /** What the step's compensation gets. The output by default. */
  readonly compensateInput: TCompensateInput;

  /** `compensateInput` is the output when it is not given. */
  constructor(output: TOutput, compensateInput?: TCompensateInput) {
    this.output = output;
    this.compensateInput =
      // The default of the type parameter says that they are of one type.
      arguments.length > 1 ? compensateInput! : (output as unknown as TCompensateInput);
  }

  /**
   * Makes the step fail without further retries, by throwing a `PermanentError`. With a
   * `compensateInput`, the step's own compensation runs too, first of all: for a step that was
   * half done. Write `return StepResponse.permanentFailure(…)`, so that the compensation's type
   * includes it.
   */
  static permanentFailure<TCompensateInput = never>(
    message: string,
    ...compensateInput: [compensateInput?: TCompensateInput]
  ): StepResponse<never, TCompensateInput> {
    throw new PermanentStepFailure(message, compensateInput);
  }

  /** Ends the step without an output. It has done nothing, so it is not compensated. */
  static skip(): StepResponse<undefined, never> {
    return skipped;
  }
}

mark(StepResponse.prototype, "step-response");

/** Whether a step has returned a `StepResponse`. */
export function isStepResponse(value: unknown): value is StepResponse<unknown, unknown> {
  return isMarked(value, "step-response");
}

/** The one value that `StepResponse.skip()` returns. */
const skipped: StepResponse<undefined, never> = new StepResponse<undefined, never>(undefined);

mark(skipped, "skipped-step");

/** Whether a response is that of `StepResponse.skip()`. */
export function isSkipped(response: StepResponse<unknown, unknown>): boolean {
  return isMarked(response, "skipped-step");
}

/** What `StepResponse.permanentFailure()` throws. */
class PermanentStepFailure extends PermanentError {
  #compensateInput: readonly unknown[];

  constructor(message: string, compensateInput: readonly unknown[]) {
    super(message);
    this.#compensateInput = compensateInput;
  }

  /**
   * What the compensation of the step that has failed gets; empty when there is nothing to undo.
   * Only once, as an enclosing step may let the error of a nested run pass.
   */
  takeCompensateInput(): readonly unknown[] {
    const input = this.#compensateInput;
    this.#compensateInput = [];
    return input;
  }
}

mark(PermanentStepFailure.prototype, "permanent-step-failure");

/** Whether `StepResponse.permanentFailure()` has thrown this. */
export function isPermanentStepFailure(thrown: unknown): thrown is PermanentStepFailure {
  return isMarked(thrown, "permanent-step-failure");
}

/** The output of a step whose function returns `TReturn`. */
export type StepOutput<TReturn> = TReturn extends void
  ? undefined
  : TReturn extends StepResponse<infer Output, unknown>
    ? Output
    : TReturn;

/** What the compensation gets of a step whose function returns `TReturn`. */
export type StepCompensateInput<TReturn> = TReturn extends void
  ? undefined
  : TReturn extends StepResponse<unknown, infer CompensateInput>
    ? CompensateInput
    : TReturn;
