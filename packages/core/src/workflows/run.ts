import { randomUUID } from "node:crypto";

import type { ServiceContainer } from "../contract/container.ts";
import { isInstance } from "../errors/thrown.ts";
import { tryRepeatedly } from "./attempts.ts";
import type { ChildNode, ParallelNode, StepNode, WhenNode, WorkflowNode } from "./composition.ts";
import type { EnclosingRun, StepEmit } from "./current-step.ts";
import { runInAttempt, StepAttempt } from "./current-step.ts";
import type { EventGroup } from "./event-group.ts";
import { HeldEmits } from "./held-emits.ts";
import type { Reporter } from "./reporter.ts";
import type { WorkflowRunError } from "./run-options.ts";
import { runsCode, Scope } from "./scope.ts";
import type { StepContext } from "./step-context.ts";
import { StepRunContext } from "./step-run-context.ts";
import {
  isPermanentStepFailure,
  isSkipped,
  isStepResponse,
  StepResponse,
} from "./step-response.ts";
import type { WorkflowDefinition } from "./workflow-definition.ts";

/** What a {@link Run} needs. */
export interface RunOptions {
  readonly transactionId: string;
  readonly container: ServiceContainer;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly group: EventGroup;
  readonly reporter: Reporter;
  /** The step that the run is part of. */
  readonly parent: StepAttempt | undefined;
}

/** A step as one run sees it. */
interface StepUse {
  readonly node: StepNode;
  readonly workflowId: string;
  /** Its name, after those of the children that it is in. */
  readonly path: string;
  readonly stepId: string;
}

/** A step to undo if the run fails. */
interface CompletedStep {
  readonly use: StepUse;
  readonly input: unknown;
}

/** Where nodes run: a workflow, as itself or as a child. */
interface Place {
  readonly workflow: WorkflowDefinition;
  readonly scope: Scope;
  /** Before the names of its steps: empty, or `child/`. */
  readonly prefix: string;
  /** Whether what its steps emit may be held: nothing else of the run is under way. */
  readonly mayHold: boolean;
}

/** Ends the run; what failed is in `errors` already. */
class RunStopped extends Error {}

/** Runs the steps of a workflow once, and undoes them when one fails. */
export class Run implements EnclosingRun {
  readonly container: ServiceContainer;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly group: EventGroup;
  /** In the order of time: the first is why the run has failed. */
  readonly errors: WorkflowRunError[] = [];
  /** What the last steps have emitted, and is not staged yet. */
  readonly held: HeldEmits;
  /** All steps that ran, those of runs inside of them included. */
  readonly stepIds: Set<string> = new Set();
  readonly #options: RunOptions;
  /** Absent when nothing can abort the run. */
  readonly #signal: AbortSignal | undefined;
  #hasFailed = false;
  /** Aborts at the first failure: steps that run at the same time are not tried again. */
  #failure: AbortController | undefined;
  readonly #completed: CompletedStep[] = [];
  #ended = false;

  constructor(options: RunOptions) {
    this.container = options.container;
    this.metadata = options.metadata;
    this.group = options.group;
    this.held = new HeldEmits(options.group.id);
    this.#options = options;
    this.#signal = options.parent?.signal;
  }

  register(stepId: string): void {
    this.stepIds.add(stepId);
    this.#options.parent?.register(stepId);
  }

  /** Resolves with the workflow's result. When it has failed instead, `errors` is not empty. */
  async invoke(workflow: WorkflowDefinition, input: unknown): Promise<unknown> {
    try {
      const scope = new Scope(input);
      return await this.#runWorkflow({ workflow, scope, prefix: "", mayHold: true });
    } catch (reason) {
      if (!isInstance(reason, RunStopped)) throw reason;
      return undefined;
    }
  }

  /** To be called when the steps have succeeded, and then what they emitted could not be staged. */
  fail(step: string, error: unknown): void {
    this.errors.push({ step, action: "invoke", error });
    this.#hasFailed = true;
  }

  /** Undoes the steps that succeeded, the last one first. Failures are added to `errors`. */
  async compensate(): Promise<void> {
    this.held.drop();
    for (const completed of this.#completed.toReversed()) {
      try {
        await this.#compensateStep(completed);
      } catch (error) {
        this.errors.push({ step: completed.use.path, action: "compensate", error });
      }
    }
  }

  /** To be called when the events were cleared: what a step stages later is cleared as well. */
  end(): void {
    this.#ended = true;
  }

  async #runWorkflow(place: Place): Promise<unknown> {
    const { workflow, scope, prefix } = place;
    await this.#runAll(workflow.nodes, place);
    // What a run inside of a step leaves to the run around it is staged: the step goes on.
    if (!this.held.isEmpty && (this.#options.parent || runsCode(workflow.response))) {
      await this.#stageHeld();
    }
    try {
      // An enclosing step that has timed out may be under way again, without this run.
      this.#signal?.throwIfAborted();
      return workflow.response === undefined ? undefined : await scope.resolve(workflow.response);
    } catch (error) {
      this.#stop(`${prefix}${workflow.workflowId}`, error);
    }
  }

  async #runAll(nodes: readonly WorkflowNode[], place: Place): Promise<void> {
    for (const node of nodes) await this.#runNode(node, place);
  }

  #runNode(node: WorkflowNode, place: Place): Promise<void> {
    return this.held.isEmpty || isQuiet(node)
      ? this.#runNow(node, place)
      : this.#stageHeld().then(() => this.#runNow(node, place));
  }

  #runNow(node: WorkflowNode, place: Place): Promise<void> {
    if (node.kind === "step") return this.#runStep(node, place);
    if (node.kind === "child") return this.#runChild(node, place);
    if (node.kind === "when") return this.#runWhen(node, place);
    return this.#runParallel(node, place);
  }

  async #runChild(node: ChildNode, { scope, prefix, mayHold }: Place): Promise<void> {
    const name = `${prefix}${node.name}`;
    const input = await this.#orStop(name, () => scope.resolve(node.input));
    const place = { scope: new Scope(input), prefix: `${name}/`, mayHold };
    scope.setOutput(node, await this.#runWorkflow({ ...place, workflow: node.workflow }));
  }

  async #runWhen(node: WhenNode, place: Place): Promise<void> {
    const { scope, prefix } = place;
    const name = `${prefix}${node.name}`;
    const holds = await this.#orStop(name, async () =>
      node.condition((await scope.resolve(node.input)) as never),
    );
    if (!holds) return scope.skip(node);
    await this.#runAll(node.nodes, place);
    scope.setOutput(node, await this.#orStop(name, () => scope.resolve(node.result)));
  }

  async #runParallel(parallel: ParallelNode, { mayHold, ...rest }: Place): Promise<void> {
    const place = { ...rest, mayHold: mayHold && isQuiet(parallel) };
    const { nodes } = parallel;
    const outcomes = await Promise.allSettled(nodes.map((node) => this.#runNode(node, place)));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async #runStep(node: StepNode, { workflow, scope, prefix, mayHold }: Place): Promise<void> {
    // Of what runs at the same time, one has failed: what is under way ends, and nothing begins.
    if (this.#hasFailed) throw new RunStopped();
    const use: StepUse = {
      node,
      workflowId: workflow.workflowId,
      path: `${prefix}${node.name}`,
      stepId: `${node.name}:${randomUUID()}`,
    };
    this.register(use.stepId);
    let response: StepResponse<unknown, unknown>;
    try {
      this.#signal?.throwIfAborted();
      response = await this.#invoke(use, await scope.resolve(node.input), mayHold);
    } catch (error) {
      this.#stop(use.path, error);
    }
    if (!isSkipped(response)) this.#complete(use, response.compensateInput);
    scope.setOutput(node, response.output);
  }

  async #invoke(
    use: StepUse,
    input: unknown,
    mayHold: boolean,
  ): Promise<StepResponse<unknown, unknown>> {
    let previous: StepAttempt | undefined;
    // The time limit and the retries of a step are those of its staging.
    const emit: StepEmit | undefined =
      mayHold && use.node.step.onlyEmits && isTriedOnce(use.node)
        ? (bus, messages) => this.held.emit(bus, messages, use.path)
        : undefined;
    try {
      return await tryRepeatedly({
        policy: use.node.step,
        what: `Step "${use.path}"`,
        signal: this.#signal,
        stopRetries: () => this.#failureSignal,
        attempt: async (number, signal) => {
          if (previous) await this.group.clear(previous.stepIds);
          const attempt = new StepAttempt(this, use.stepId, signal, emit);
          previous = attempt;
          try {
            const returned = await runInAttempt(attempt, () =>
              use.node.step.invoke(input as never, this.#context(use, number, signal)),
            );
            return isStepResponse(returned) ? returned : new StepResponse(returned);
          } finally {
            attempt.close();
          }
        },
        onLate: () => {
          this.#reportLate(use);
          if (this.#ended) void this.group.discard(this.stepIds);
        },
      });
    } catch (error) {
      if (isPermanentStepFailure(error)) {
        const inputs = error.takeCompensateInput();
        if (inputs.length > 0) this.#complete(use, inputs[0]);
      }
      throw error;
    }
  }

  async #compensateStep({ use, input }: CompletedStep): Promise<void> {
    await tryRepeatedly({
      policy: use.node.step,
      what: `Compensation of step "${use.path}"`,
      // Neither the failure nor the time-out of an enclosing step may stop what undoes them.
      signal: undefined,
      stopRetries: () => undefined,
      attempt: async (number, signal) => {
        const attempt = new StepAttempt(this, use.stepId, signal);
        // A workflow that undoes something is one of its own: its events are not cleared.
        attempt.close();
        await runInAttempt(attempt, () =>
          use.node.step.compensate?.(input as never, this.#context(use, number, signal)),
        );
      },
      onLate: () => this.#reportLate(use),
    });
  }

  #complete(use: StepUse, input: unknown): void {
    if (use.node.step.compensate) this.#completed.push({ use, input });
  }

  #context(use: StepUse, attempt: number, signal: AbortSignal | undefined): StepContext {
    return new StepRunContext(use, this, this.#options.transactionId, attempt, signal);
  }

  /** Stages what is held, before anything of the user's runs. */
  async #stageHeld(): Promise<void> {
    const { firstStep } = this.held;
    await this.#orStop(firstStep, () => this.held.stage());
  }

  #reportLate(use: StepUse): void {
    this.#options.reporter.warn("A step ended after its timeout; its result is thrown away", {
      step: use.path,
    });
  }

  async #orStop<T>(step: string, action: () => T | Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      this.#stop(step, error);
    }
  }

  #stop(step: string, error: unknown): never {
    this.errors.push({ step, action: "invoke", error });
    this.#hasFailed = true;
    this.#failure?.abort();
    throw new RunStopped();
  }

  get #failureSignal(): AbortSignal {
    this.#failure ??= new AbortController();
    if (this.#hasFailed) this.#failure.abort();
    return this.#failure.signal;
  }
}

/** Whether nothing of the user's runs in a node. */
function isQuiet(node: WorkflowNode): boolean {
  if (node.kind === "parallel") return node.nodes.every(isQuiet);
  return node.kind === "step" && node.step.onlyEmits && isTriedOnce(node) && !runsCode(node.input);
}

function isTriedOnce({ step: { maxRetries, timeoutMs } }: StepNode): boolean {
  return maxRetries === 0 && timeoutMs === undefined;
}
