import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checks } from "@busbar/core/provider";
import type { AsyncEventDefinition, ResolveContext } from "../contract/async-event.ts";

/** The definition of each async event, by its name. */
export type AsyncEventDefinitions = Readonly<Record<string, AsyncEventDefinition>>;

/** What a definition's resolver takes. Without a resolver, the payload that the schema takes. */
type ArgsOf<Definition> = Definition extends {
  readonly resolve: (args: infer Args, ...rest: never) => unknown;
}
  ? Args
  : PayloadOf<Definition>;

/** The payload that a definition's schema takes. Without a schema, what the resolver returns. */
type PayloadOf<Definition> = Definition extends {
  readonly schema: StandardSchemaV1<infer Payload, unknown>;
}
  ? Payload
  : Definition extends { readonly resolve: (...args: never) => infer Payload }
    ? Awaited<Payload>
    : unknown;

/** What a definition must be besides: its resolver and its example make payloads that its schema takes. */
type Consistent<Definition> = {
  readonly resolve?:
    | ((
        args: never,
        context: ResolveContext,
      ) => PayloadOf<Definition> | Promise<PayloadOf<Definition>>)
    | undefined;
  readonly example?: PayloadOf<Definition> | undefined;
};

// `infer` in the two that follow makes editors show the arguments and payloads in place of these names.

/** The arguments that travel, by the names of the events. */
export type AsyncEventArgs<Definitions extends AsyncEventDefinitions> =
  Definitions extends infer D extends AsyncEventDefinitions
    ? { [Name in keyof D & string]: ArgsOf<D[Name]> }
    : never;

/** The payloads that are delivered, by the names of the events. */
export type AsyncEventPayloads<Definitions extends AsyncEventDefinitions> =
  Definitions extends infer D extends AsyncEventDefinitions
    ? { [Name in keyof D & string]: PayloadOf<D[Name]> }
    : never;

/**
 * Events that systems outside the application may subscribe to; made by {@link defineAsyncEvents}. `Args` maps each
 * name to the arguments that travel, `Payloads` to the payload that is delivered.
 */
export interface AsyncEvents<
  Args extends object = Readonly<Record<string, unknown>>,
  Payloads extends object = object,
> {
  /** The definition of each event, by its name. */
  readonly definitions: AsyncEventDefinitions;
  /** Carries the types to `publish`. Never set at run time. */
  readonly types?: { readonly args: Args; readonly payloads: Payloads } | undefined;
}

/**
 * Declares events that systems outside the application may subscribe to. Only the arguments travel on the bus. The
 * resolver makes the payload of them later, in the worker; without a resolver, the arguments are the payload. An
 * event of the bus's own catalogue is declared by its name: `"order.placed": {}`.
 *
 * The names have letters, digits, `.`, `_` and `-`. Names that begin with `webhooks.` are taken by the operational
 * events. The start of the bus checks all definitions, and rejects with `BUSBAR_INVALID_CONFIG`, which lists
 * everything that is wrong with them.
 *
 * @throws TypeError when it is not given an object.
 *
 * @example
 * ```ts
 * const events = defineAsyncEvents({
 *   "sales.order.created": {
 *     resolve: ({ id }: { id: string }, { container }) => container.resolve<Orders>("orders").get(id),
 *     permissions: ["sales.orders.view"],
 *     description: "A customer has placed an order.",
 *   },
 * });
 * ```
 */
export function defineAsyncEvents<Definitions extends AsyncEventDefinitions>(
  definitions: Definitions & {
    readonly [Name in keyof Definitions]: Consistent<Definitions[Name]>;
  },
): AsyncEvents<AsyncEventArgs<Definitions>, AsyncEventPayloads<Definitions>> {
  if (checks.object(definitions) !== undefined) {
    throw new TypeError(
      'defineAsyncEvents() needs definitions by event name: { "order.placed": { resolve } }',
    );
  }
  return { definitions };
}
