import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Issue } from "./issue.ts";

/** What is wrong with the data of an event; undefined when nothing is. */
export type CheckResult = readonly Issue[] | undefined;

/** The output of an event's schema, or what is wrong with the data. */
export type ParseResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

/**
 * The events that a bus knows, with their types and schemas; made by `defineEvents`.
 *
 * `Events` maps each name to the payload that is emitted, `Received` to the payload that
 * subscribers get. They differ where schemas transform and the catalogue validates at consume.
 */
export interface EventCatalogue<Events extends object, Received extends object = Events> {
  /** The schema of each event, by its name. */
  readonly schemas: Readonly<Record<string, StandardSchemaV1>>;
  /**
   * Validates what is emitted, without changing it. The answer is a promise only if the schema's
   * is one. A name that is not in the catalogue has no issues. What a schema throws passes through.
   */
  check(name: string, data: unknown): CheckResult | Promise<CheckResult>;
  /**
   * Validates what was received, and gives the schema's output. Only present when the catalogue
   * validates at consume. Data of a name that is not in the catalogue comes back as it is.
   */
  readonly parse?:
    | ((name: string, data: unknown) => ParseResult | Promise<ParseResult>)
    | undefined;
  /** Carries the types from the catalogue to the bus. Never set at run time. */
  readonly types?: { readonly emitted: Events; readonly received: Received } | undefined;
}

// Only members that are read are asked for, so that every catalogue fits.
type WithTypes = Pick<EventCatalogue<object>, "types">;

/**
 * The payloads that are emitted, by event name: the input types of the schemas.
 *
 * @example
 * ```ts
 * const events = defineEvents({ "order.placed": z.object({ orderId: z.string() }) });
 * type ShopEvents = InferEvents<typeof events>; // { "order.placed": { orderId: string } }
 * ```
 */
export type InferEvents<Catalogue extends WithTypes> = NonNullable<Catalogue["types"]>["emitted"];

/**
 * The payloads that subscribers get, by event name: the output types of the schemas when the
 * catalogue validates at consume, and their input types otherwise.
 */
export type InferReceivedEvents<Catalogue extends WithTypes> = NonNullable<
  Catalogue["types"]
>["received"];
