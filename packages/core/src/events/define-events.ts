import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checkEventName } from "../values/event-names.ts";
import { assertOptions, checkBoolean, checkObject } from "../values/arguments.ts";
import type { CheckResult, EventCatalogue, ParseResult } from "../contract/catalogue.ts";
import { type ContainerKey, containerKey, Modules } from "../contract/container.ts";
import type { IEventBusModule } from "../contract/event-bus-module.ts";
import { isPromiseLike, isStandardSchema, toIssues } from "./schema-issues.ts";
import { makeSubscriber, type SubscriberFactory } from "./subscriber.ts";

/** The schema of each event, by its name. */
export type EventSchemas = Readonly<Record<string, StandardSchemaV1>>;

// `infer` in the two that follow makes editors show the payloads in place of these names.

/** The payloads that schemas take, by event name. */
export type EventInputs<Schemas extends EventSchemas> = Schemas extends infer S extends EventSchemas
  ? { [Name in keyof S & string]: StandardSchemaV1.InferInput<S[Name]> }
  : never;

/** The payloads that subscribers get, by event name. */
export type EventOutputs<
  Schemas extends EventSchemas,
  AtConsume extends boolean = true,
> = Schemas extends infer S extends EventSchemas
  ? {
      [Name in keyof S & string]: AtConsume extends true
        ? StandardSchemaV1.InferOutput<S[Name]>
        : StandardSchemaV1.InferInput<S[Name]>;
    }
  : never;

/** Options of {@link defineEvents}. */
export interface DefineEventsOptions<AtConsume extends boolean = boolean> {
  /**
   * Whether data is validated again when it is received, so that subscribers get the schema's
   * output: with its defaults, transformed and coerced. Data that does not match is dead at once.
   *
   * @default false
   */
  readonly validateAtConsume?: AtConsume | undefined;
}

/** An {@link EventCatalogue} that was made of schemas, and what is typed by it. */
export interface DefinedEvents<
  Schemas extends EventSchemas,
  Events extends object = EventInputs<Schemas>,
  Received extends object = Events,
> extends EventCatalogue<Events, Received> {
  /** The schemas that the catalogue was made of, by the names of the events. */
  readonly schemas: Schemas;
  /**
   * Types a handler outside of a bus, with its events and its policy: as the default export of a
   * file in the subscribers folder, which then needs no `config`, or for
   * `bus.subscribe(...handler.subscription)`.
   *
   * @example
   * ```ts
   * // src/subscribers/send-receipt.ts
   * export default events.subscriber("order.placed", async ({ event, container }) => {
   *   await container.resolve("mailer").send(event.data.orderId);
   * });
   * ```
   */
  readonly subscriber: SubscriberFactory<Received>;
  /**
   * The key of the bus in a container, `Modules.EVENT_BUS`, with the types of these events.
   *
   * @example
   * ```ts
   * await container.resolve(events.bus).emit("order.placed", { orderId: "42" });
   * ```
   */
  readonly bus: ContainerKey<IEventBusModule<Events, Received>>;
}

/**
 * Defines events by schemas of any library that follows Standard Schema: zod, valibot, arktype and
 * others. A bus that is given the catalogue validates at `emit`; the input travels, unchanged.
 * Catalogues are put together by their schemas: `defineEvents({ ...orders.schemas, ...users.schemas })`.
 *
 * @throws TypeError when a name is not one of an event, or a value is no Standard Schema.
 *
 * @example
 * ```ts
 * const events = defineEvents({ "order.placed": z.object({ orderId: z.string() }) });
 * const bus = createEventBus({ events, provider: localProvider() });
 * await bus.emit("order.placed", { orderId: "42" });
 * ```
 */
export function defineEvents<const Schemas extends EventSchemas, AtConsume extends boolean = false>(
  schemas: Schemas,
  options: DefineEventsOptions<AtConsume> = {},
): DefinedEvents<Schemas, EventInputs<Schemas>, EventOutputs<Schemas, AtConsume>> {
  if (checkObject(schemas) !== undefined) {
    throw new TypeError('defineEvents() needs schemas by event name: { "order.placed": schema }');
  }
  assertOptions("defineEvents()", options, { validateAtConsume: checkBoolean });
  const validators = collectValidators(schemas);

  function check(name: string, data: unknown): CheckResult | Promise<CheckResult> {
    const answer = validators.get(name)?.validate(data);
    if (answer === undefined) return undefined;
    return isPromiseLike(answer)
      ? Promise.resolve(answer).then((result) => toCheckResult(result, data))
      : toCheckResult(answer, data);
  }

  function parse(name: string, data: unknown): ParseResult | Promise<ParseResult> {
    const answer = validators.get(name)?.validate(data);
    if (answer === undefined) return { value: data };
    return isPromiseLike(answer)
      ? Promise.resolve(answer).then((result) => toParseResult(result, data))
      : toParseResult(answer, data);
  }

  return {
    schemas,
    check,
    parse: options.validateAtConsume === true ? parse : undefined,
    subscriber: makeSubscriber,
    bus: containerKey(Modules.EVENT_BUS),
  };
}

function collectValidators(schemas: EventSchemas): Map<string, StandardSchemaV1.Props> {
  const validators = new Map<string, StandardSchemaV1.Props>();
  for (const [name, schema] of Object.entries<unknown>(schemas)) {
    const problem = checkEventName(name);
    if (problem !== undefined) {
      throw new TypeError(`Event name ${JSON.stringify(name)} ${problem}`);
    }
    if (!isStandardSchema(schema)) {
      throw new TypeError(
        `The value of event ${JSON.stringify(name)} must be a Standard Schema, such as one of zod, valibot or arktype`,
      );
    }
    // Read once: some libraries make this member anew for each reader.
    validators.set(name, schema["~standard"]);
  }
  return validators;
}

function toCheckResult(result: StandardSchemaV1.Result<unknown>, data: unknown): CheckResult {
  return result.issues && toIssues(result.issues, data);
}

function toParseResult(result: StandardSchemaV1.Result<unknown>, data: unknown): ParseResult {
  return result.issues ? { issues: toIssues(result.issues, data) } : { value: result.value };
}
