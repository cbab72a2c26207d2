import { setMember } from "../values/json.ts";
import { flatten, type WorkflowNode } from "./composition.ts";
import { type PlaceholderReference, type PlaceholderSource, referenceOf } from "./placeholder.ts";

type TransformSource = Extract<PlaceholderSource, { kind: "transform" }>;

/** A value on the way to its copy. */
interface Walk {
  readonly copies: Map<object, unknown>;
  /** What has to be waited for; then the walk begins anew. */
  pending: PromiseLike<unknown> | undefined;
}

/** The values behind the placeholders of one workflow, in one run of it. */
export class Scope {
  readonly #input: unknown;
  readonly #outputs = new Map<WorkflowNode, unknown>();
  readonly #transforms = new Map<TransformSource, Promise<unknown>>();
  /** What became of promises. */
  readonly #awaited = new Map<PromiseLike<unknown>, unknown>();

  constructor(input: unknown) {
    this.#input = input;
  }

  setOutput(node: WorkflowNode, output: unknown): void {
    this.#outputs.set(node, output);
  }

  /** Makes the outputs of a node and of all inside of it undefined. */
  skip(node: WorkflowNode): void {
    for (const skippedNode of flatten([node])) this.setOutput(skippedNode, undefined);
  }

  /**
   * The value with each placeholder inside replaced by what it stands for. Plain objects and arrays
   * are copied, so that runs share none of what the composer wrote; functions and instances of
   * classes are passed as they are.
   */
  async resolve(value: unknown): Promise<unknown> {
    const walk: Walk = { copies: new Map(), pending: undefined };
    for (;;) {
      const resolved = this.#copy(value, walk);
      if (!walk.pending) return resolved;
      this.#awaited.set(walk.pending, await walk.pending);
      walk.copies.clear();
      walk.pending = undefined;
    }
  }

  /** Not asynchronous, as a promise for each member costs more than the step: stops at the first one. */
  #copy(value: unknown, walk: Walk): unknown {
    const reference = referenceOf(value);
    if (reference) return this.#follow(reference, walk);
    if (!isPlain(value)) return this.#await(value, walk);
    const { copies } = walk;
    if (copies.has(value)) return copies.get(value);
    const copy: object = Array.isArray(value) ? [] : {};
    copies.set(value, copy);
    for (const [key, member] of Object.entries(value)) {
      setMember(copy as Record<string, unknown>, key, this.#copy(member, walk));
      if (walk.pending) break;
    }
    return copy;
  }

  #follow({ source, path }: PlaceholderReference, walk: Walk): unknown {
    let value = this.#await(this.#read(source), walk);
    for (const key of path) value = (value as Record<string, unknown> | null | undefined)?.[key];
    return this.#await(value, walk);
  }

  /** The value behind what may be a promise, or undefined until it was waited for. */
  #await(value: unknown, walk: Walk): unknown {
    if (!isThenable(value)) return value;
    if (!this.#awaited.has(value)) walk.pending ??= value;
    return this.#awaited.get(value);
  }

  #read(source: PlaceholderSource): unknown {
    if (source.kind === "input") return this.#input;
    if (source.kind === "transform") return this.#transform(source);
    if (!this.#outputs.has(source.node)) {
      throw new TypeError(
        `The result of "${source.node.name}" is used before it has run, or in another workflow`,
      );
    }
    return this.#outputs.get(source.node);
  }

  #transform(source: TransformSource): Promise<unknown> {
    let result = this.#transforms.get(source);
    if (!result) {
      result = this.#compute(source);
      this.#transforms.set(source, result);
    }
    return result;
  }

  async #compute({ input, functions }: TransformSource): Promise<unknown> {
    let value = await this.resolve(input);
    for (const compute of functions) value = await compute(value as never);
    return value;
  }
}

/** Whether a function of the user's runs when a value is resolved, or is part of the value. */
export function runsCode(value: unknown): boolean {
  return hasCode(value, new Set());
}

function hasCode(value: unknown, seen: Set<unknown>): boolean {
  if (typeof value === "function") return true;
  const reference = referenceOf(value);
  if (reference) return reference.source.kind === "transform";
  if (!isPlain(value) || seen.has(value)) return false;
  seen.add(value);
  return Object.values(value).some((member) => hasCode(member, seen));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
