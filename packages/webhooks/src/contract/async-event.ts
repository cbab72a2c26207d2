import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { JsonObject, JsonValue } from "@busbar/core/provider";

/** What a resolver finds beside its arguments. */
export interface ResolveContext {
  /** The container of the application, or what `webhooks({ container })` was given. */
  readonly container: { resolve<T = unknown>(name: string): T };
  /** The event that is being resolved. */
  readonly event: {
    readonly id: string;
    readonly name: string;
    readonly scope: string | null;
    readonly occurredAt: Date;
  };
  /** Aborted when the process stops, or when the time for resolving is over. */
  readonly signal: AbortSignal;
}

/**
 * What becomes of an event whose entity no longer exists when it is resolved: the resolver threw an `EntityGone`.
 *
 * - `fail`: as any other error: retried, then a dead letter.
 * - `tombstone`: subscribers get the arguments, marked as deleted: `{ deleted: true, args }`.
 * - `drop`: nobody gets it; the log says so.
 */
export type GonePolicy = "fail" | "tombstone" | "drop";

/** An event that whoever is outside may subscribe to. */
export interface AsyncEventDefinition<Args = never, Payload = unknown> {
  /**
   * Makes the payload of the arguments that travelled, in the worker. What it returns is what the application's own
   * API would answer. Without it the data of the event is the payload.
   */
  readonly resolve?:
    | ((args: Args, context: ResolveContext) => Payload | Promise<Payload>)
    | undefined;
  /** What the caller must be allowed besides, to subscribe to this event. None by default. */
  readonly permissions?: readonly string[] | undefined;
  /**
   * The schema of the payload, for the catalogue. The example must match it, and with `validate` each payload. The
   * payload is delivered as it is, not as the schema transforms it.
   */
  readonly schema?: StandardSchemaV1<Payload, unknown> | undefined;
  /**
   * Whether each payload is checked against `schema`. A payload that does not match is handled as an error of the
   * resolver.
   *
   * @default false
   */
  readonly validate?: boolean | undefined;
  /** A payload for documentation, and for the button "test". */
  readonly example?: NoInfer<Payload> | undefined;
  /** One sentence for the catalogue. */
  readonly description?: string | undefined;
  /** Shown in the catalogue. Subscribing goes on working. */
  readonly deprecated?: boolean | undefined;
  /** @default "fail" */
  readonly whenGone?: GonePolicy | undefined;
  /**
   * Whether failed deliveries are attempted again.
   *
   * @default true
   */
  readonly retry?: boolean | undefined;
}

/** How a declared event looks in the catalogue. */
export interface CatalogueEntry {
  /** The name of the event. */
  readonly name: string;
  /** One sentence about it. */
  readonly description: string | null;
  /** What a caller must be allowed besides, to subscribe to it. */
  readonly permissions: readonly string[];
  /** The payload's JSON Schema, if its schema can say it. */
  readonly schema: JsonObject | null;
  /** A payload, as an example. */
  readonly example: JsonValue | null;
  /** Whether nobody should subscribe to it any more. */
  readonly deprecated: boolean;
  /** Whether the payload is made by a resolver. Otherwise the data of the event is the payload. */
  readonly hasResolver: boolean;
}
