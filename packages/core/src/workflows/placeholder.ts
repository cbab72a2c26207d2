import { sharedByCopies } from "../values/copies.ts";
import type { TransformFunction } from "./transform.ts";
import type { WorkflowNode } from "./composition.ts";
import type { Placeholder } from "./workflow-data.ts";

/** What a placeholder gets its value from when the workflow runs. */
export type PlaceholderSource =
  | { readonly kind: "input" }
  | { readonly kind: "node"; readonly node: WorkflowNode }
  | {
      readonly kind: "transform";
      readonly input: unknown;
      readonly functions: readonly TransformFunction[];
    };

/** Where a placeholder points: a source, and the members to follow from there. */
export interface PlaceholderReference {
  readonly source: PlaceholderSource;
  readonly path: readonly string[];
}

const references = sharedByCopies(
  "placeholders",
  () => new WeakMap<object, PlaceholderReference>(),
);

/**
 * Makes a placeholder. `config`, if given, is its method of that name, which hides a member
 * `config` of the value.
 */
export function createPlaceholder<T extends Placeholder<unknown>>(
  source: PlaceholderSource,
  config?: (options: never) => T,
): T {
  return createAt<T>({ source, path: [] }, config);
}

/** Where a placeholder points; undefined for any other value. */
export function referenceOf(value: unknown): PlaceholderReference | undefined {
  return typeof value === "object" && value !== null ? references.get(value) : undefined;
}

function createAt<T extends Placeholder<unknown>>(
  reference: PlaceholderReference,
  config: unknown,
): T {
  const members = new Map<string, Placeholder<unknown>>();
  const refuse = (): never => {
    throw new TypeError(
      `${describe(reference)} has no value while the workflow is being composed: it is a placeholder. ` +
        `Pass it to a step, or compute with it inside transform()`,
    );
  };
  const placeholder = new Proxy(
    {},
    {
      get(_target, key) {
        if (typeof key === "symbol") return getSymbol(key, refuse);
        // Not thenable, so that no await takes it for a promise.
        if (key === "then") return undefined;
        if (key === "config" && config !== undefined) return config;
        let member = members.get(key);
        if (!member) {
          member = createAt({ ...reference, path: [...reference.path, key] }, undefined);
          members.set(key, member);
        }
        return member;
      },
      // `in`, Object.keys, a spread, an assignment: each would quietly do nothing.
      has: refuse,
      ownKeys: refuse,
      set: refuse,
      deleteProperty: refuse,
      defineProperty: refuse,
    },
  );
  references.set(placeholder, reference);
  // A proxy has whatever members its type says.
  return placeholder as T;
}

function getSymbol(key: symbol, refuse: () => never): unknown {
  const isRead =
    key === Symbol.toPrimitive || key === Symbol.iterator || key === Symbol.asyncIterator;
  return isRead ? refuse : undefined;
}

function describe({ source, path }: PlaceholderReference): string {
  const members = path.map((key) => `.${key}`).join("");
  if (source.kind === "input") return `input${members}`;
  if (source.kind === "transform") return `The result${members} of a transform()`;
  return `The result${members} of "${source.node.name}"`;
}
