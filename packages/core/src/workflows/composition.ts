import { sharedByCopies } from "../values/copies.ts";
import type { StepDefinition } from "./create-step.ts";
import type { WorkflowDefinition } from "./workflow-definition.ts";

/** One thing that a workflow does, in the place where its composer wrote it. */
export type WorkflowNode = StepNode | ChildNode | WhenNode | ParallelNode;

/** What all nodes have. */
interface NamedNode {
  /** Unique in the workflow once it is defined: `emit-event-step`, `emit-event-step-2`. */
  name: string;
  /** Whether the composer chose the name. */
  hasOwnName: boolean;
}

/** A use of a step. */
export interface StepNode extends NamedNode {
  readonly kind: "step";
  step: StepDefinition;
  readonly input: unknown;
}

/** A workflow that runs as a step of this one. */
export interface ChildNode extends NamedNode {
  readonly kind: "child";
  readonly workflow: WorkflowDefinition;
  readonly input: unknown;
}

/** Nodes that run if a condition holds. */
export interface WhenNode extends NamedNode {
  readonly kind: "when";
  readonly input: unknown;
  readonly condition: (input: never) => boolean | Promise<boolean>;
  readonly nodes: WorkflowNode[];
  /** What the callback returned; its placeholders resolve when the nodes have run. */
  result: unknown;
  /** Whether `then` was called. */
  isComplete: boolean;
}

/** Nodes that run at the same time. */
export interface ParallelNode extends NamedNode {
  readonly kind: "parallel";
  readonly nodes: readonly WorkflowNode[];
}

/** A workflow while its composer runs. */
export class Composition {
  readonly workflowId: string;
  readonly nodes: WorkflowNode[] = [];
  /** Where the next node goes: the workflow's own list, or that of a `when`. */
  #open: WorkflowNode[] = this.nodes;

  constructor(workflowId: string) {
    this.workflowId = workflowId;
  }

  add<Node extends WorkflowNode>(node: Node): Node {
    this.#open.push(node);
    return node;
  }

  /** Adds what `callback` composes to `nodes`. */
  addTo<T>(nodes: WorkflowNode[], callback: () => T): T {
    const outer = this.#open;
    this.#open = nodes;
    try {
      return callback();
    } finally {
      this.#open = outer;
    }
  }

  /**
   * Takes back the nodes that were added last.
   *
   * @throws TypeError when others were added after or between them.
   */
  takeLast(nodes: readonly WorkflowNode[]): WorkflowNode[] {
    const last = this.#open.slice(-nodes.length);
    if (new Set(nodes).size !== nodes.length || !last.every((node) => nodes.includes(node))) {
      throw new TypeError(
        `parallelize() in workflow "${this.workflowId}" takes steps that are called in its arguments: ` +
          `parallelize(stepA(input), stepB(input))`,
      );
    }
    return this.#open.splice(-nodes.length);
  }

  /**
   * Gives each node its name, and checks that nothing was left half done.
   *
   * @throws TypeError when the composer chose a name twice, or a `when` has no `then`.
   */
  finish(): void {
    const all = flatten(this.nodes);
    const names = new Set<string>();
    for (const node of all) {
      if (node.kind === "when" && !node.isComplete) {
        throw new TypeError(
          `when() in workflow "${this.workflowId}" does nothing without .then(callback)`,
        );
      }
      if (!node.hasOwnName) continue;
      if (names.has(node.name)) {
        throw new TypeError(
          `Workflow "${this.workflowId}" has two steps of the name "${node.name}"`,
        );
      }
      names.add(node.name);
    }
    for (const node of all) {
      if (node.hasOwnName) continue;
      node.name = freeName(node.name, names);
      names.add(node.name);
    }
  }
}

/** All nodes of a list and inside of them, in the order written. */
export function flatten(nodes: readonly WorkflowNode[]): WorkflowNode[] {
  return nodes.flatMap((node) =>
    node.kind === "when" || node.kind === "parallel" ? [node, ...flatten(node.nodes)] : [node],
  );
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  let number = 2;
  while (taken.has(`${name}-${number}`)) number++;
  return `${name}-${number}`;
}

/**
 * Holds the composition whose composer is running. Composers are synchronous, so that there is at most
 * one at a time; it is set and restored by `compose` alone.
 */
const running: { current: Composition | undefined } = sharedByCopies("composition", () => ({
  current: undefined,
}));

/** Runs a composer, or what else is to add its steps to `composition`. */
export function compose<T>(composition: Composition, composer: () => T): T {
  const outer = running.current;
  running.current = composition;
  try {
    return composer();
  } finally {
    running.current = outer;
  }
}

/** Whether a composer is running. */
export function isComposing(): boolean {
  return running.current !== undefined;
}

/**
 * The composition whose composer is running.
 *
 * @throws TypeError when there is none.
 */
export function currentComposition(what: string): Composition {
  if (!running.current) {
    throw new TypeError(
      `${what} is used outside of a composer: call it in the function given to createWorkflow(), synchronously`,
    );
  }
  return running.current;
}
