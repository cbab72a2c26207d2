import {
  type CurrentPart,
  currentPart,
  type CurrentRun,
  currentRun,
  runAsPart,
} from "../causality/causality.ts";
import type { ServiceContainer } from "../contract/container.ts";
import type { EventMessage } from "../contract/event.ts";
import type { IEventBusModule } from "../contract/event-bus-module.ts";
import { isMarked, mark } from "../values/copies.ts";
import type { EventGroup } from "./event-group.ts";

/** The part of a run that its steps, and the runs inside of them, have to do with. */
export interface EnclosingRun {
  readonly container: ServiceContainer;
  readonly group: EventGroup;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Makes a step part of this run and of all around it, so that they can clear its events. */
  register(stepId: string): void;
}

/** Emits the messages of a step. */
export type StepEmit = (
  bus: IEventBusModule,
  messages: readonly EventMessage[],
) => Promise<readonly string[]>;

/** One attempt of a step, or of its compensation. */
export class StepAttempt implements CurrentPart {
  readonly run: EnclosingRun;
  /** Absent when nothing can abort it. */
  readonly signal: AbortSignal | undefined;
  /** The step, and those of the runs inside of it. */
  readonly stepIds: Set<string>;
  /** Emits, or holds for a while what is emitted. */
  readonly emit: StepEmit;
  #isOpen = true;
  /** A handler's run that begins inside of the step, as it emits, is no part of it. */
  readonly handlerRun: CurrentRun | undefined = currentRun();

  constructor(
    run: EnclosingRun,
    stepId: string,
    signal: AbortSignal | undefined,
    emit: StepEmit = emitAtOnce,
  ) {
    this.run = run;
    this.emit = emit;
    this.signal = signal;
    this.stepIds = new Set([stepId]);
  }

  /** Runs that begin later do not belong to the step. */
  close(): void {
    this.#isOpen = false;
  }

  /** Whether a run that begins here and now belongs to the step. */
  get isOpenHere(): boolean {
    return this.#isOpen && this.handlerRun === currentRun();
  }

  /** Makes the step of a run inside of this one part of it. */
  register(stepId: string): void {
    this.stepIds.add(stepId);
    this.run.register(stepId);
  }
}

mark(StepAttempt.prototype, "step-attempt");

function emitAtOnce(
  bus: IEventBusModule,
  messages: readonly EventMessage[],
): Promise<readonly string[]> {
  return bus.emit(messages);
}

/** Runs a step's function as part of an attempt. */
export function runInAttempt<T>(attempt: StepAttempt, callback: () => T): T {
  return runAsPart(attempt, callback);
}

/** The attempt that the caller is part of, if any. */
export function currentAttempt(): StepAttempt | undefined {
  const part = currentPart();
  return isMarked(part, "step-attempt") ? (part as StepAttempt) : undefined;
}
