declare const resolvesTo: unique symbol;

/**
 * Stands, in a composer, for a value of type `T` that exists only while the workflow runs. What it
 * stands for is passed on (to steps, `transform`, `when`, `WorkflowResponse`), never read.
 */
export interface Placeholder<out T> {
  /** Exists in types only. */
  readonly [resolvesTo]: T;
}

/**
 * A {@link Placeholder} whose members are placeholders in turn: `input.order.id`. A member of
 * something that is undefined when the workflow runs is undefined as well.
 */
export type WorkflowData<T = unknown> = Placeholder<T> & PlaceholderMembers<T>;

/** The members of {@link WorkflowData}. */
export type PlaceholderMembers<T> =
  IsAny<T> extends true
    ? { readonly [key: string]: WorkflowData<T> }
    : [NonNullable<T>] extends [Opaque]
      ? unknown
      : [NonNullable<T>] extends [readonly unknown[]]
        ? ItemsOf<NonNullable<T>, MissingOf<T>>
        : [NonNullable<T>] extends [object]
          ? MembersOf<NonNullable<T>, MissingOf<T>>
          : unknown;

/**
 * What may be passed where a step or a workflow wants a `T`: a `T`, a placeholder of one, or an
 * object or array with placeholders inside.
 */
export type StepInput<T> =
  IsAny<T> extends true ? T : unknown extends T ? T : Placeholder<T> | NestedStepInput<T>;

type NestedStepInput<T> = T extends Opaque
  ? T
  : [keyof T] extends [never]
    ? T
    : T extends object
      ? { [Key in keyof T]: StepInput<T[Key]> }
      : T;

/** What a value of a composer is when the workflow runs: each placeholder inside as its value. */
export type Resolved<T> =
  IsAny<T> extends true
    ? T
    : T extends Placeholder<infer Value>
      ? Value
      : T extends Opaque
        ? T
        : T extends object
          ? { [Key in keyof T]: Resolved<T[Key]> }
          : T;

/**
 * The argument of a step or a workflow, which may be left out where its type asks for nothing in
 * particular.
 */
export type InputArguments<T> = {} extends T
  ? [input?: StepInput<T>]
  : [T] extends [undefined | void]
    ? [input?: undefined]
    : [input: StepInput<T>];

type IsAny<T> = 0 extends 1 & T ? true : false;

/** An optional member still has its placeholder: only the value behind it may be undefined. */
type MembersOf<T, Missing> = {
  readonly [Key in keyof T]-?: WorkflowData<T[Key] | Missing>;
};

type ItemsOf<T extends readonly unknown[], Missing> = {
  readonly length: WorkflowData<number | Missing>;
  readonly [index: number]: WorkflowData<T[number] | undefined>;
};

/** What the members of a `T` may be because there is no `T` to have them. */
type MissingOf<T> = T extends null | undefined ? undefined : never;

/** What has no members to reach into, and is passed on as it is. */
type Opaque =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | void
  | Date
  | RegExp
  | Error
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | PromiseLike<unknown>
  | ((...args: never) => unknown);
