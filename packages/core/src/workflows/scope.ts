import type { WorkflowNode } from "./composition.ts";
import { flatten } from "./composition.ts";
import type { PlaceholderSource } from "./placeholder.ts";
import { referenceOf } from "./placeholder.ts";

type TransformSource = Extract<PlaceholderSource, { kind: "transform" }>;

/** The values behind the placeholders of one workflow, in one run of it. */
export class Scope {
  readonly #input: unknown;
  readonly #outputs = new Map<WorkflowNode, unknown>();
  readonly #transforms = new Map<TransformSource, Promise<unknown>>();

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
  resolve(value: unknown): Promise<unknown> {
    return this.#resolve(value, new Map());
  }

  async #resolve(value: unknown, copies: Map<object, unknown>): Promise<unknown> {
    const reference = referenceOf(value);
    if (reference) {
      let resolved = await this.#read(reference.source);
      for (const key of reference.path) {
        resolved = (resolved as Record<string, unknown> | null | undefined)?.[key];
      }
      return resolved;
    }
    if (!isPlain(value)) return value;
    if (copies.has(value)) return copies.get(value);
    const copy: object = Array.isArray(value) ? [] : {};
    copies.set(value, copy);
    for (const [key, member] of Object.entries(value)) {
      // Not an assignment, which would take `__proto__` for the prototype.
      Object.defineProperty(copy, key, {
        value: await this.#resolve(member, copies),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    return copy;
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

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
