import type { JsonObject } from "@busbar/core/provider";
import type { z } from "zod";
import type { Caller } from "../auth/caller.ts";

/** A request that has passed all checks. */
export interface RouteInput<Query, Body> {
  /** The parameters of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** Who sends the request. Undefined: nobody is signed in, which only {@link Route.public} routes see. */
  readonly caller: Caller | undefined;
  readonly request: Request;
}

/** What the audit log says of a request. */
export interface AuditedAction {
  /** Such as `subscription.pause`. */
  readonly action: string;
  /** What it is done to. */
  readonly target: string;
  /** Options of the action. Never a payload. */
  readonly details?: JsonObject | undefined;
}

/** One method of one resource. */
export interface Route<Query = never, Body = never> {
  readonly method: "GET" | "POST" | "DELETE";
  /** The path below `/api`, with parameters such as `:id`. */
  readonly path: string;
  /** Whether the route answers people who are not signed in. */
  readonly public?: boolean;
  /** The parameters of the query. None without it. */
  readonly query?: z.ZodType<Query> & z.ZodObject;
  /** The body, as JSON. None without it. */
  readonly body?: z.ZodType<Body>;
  /** What the audit log says. Every route that changes something has it. */
  readonly audit?: (input: RouteInput<Query, Body>) => AuditedAction;
  /** Answers with a value that is sent as JSON, or with a response. */
  handle(input: RouteInput<Query, Body>): Promise<unknown>;
}

/** A route whose types nobody needs any more. */
export type AnyRoute = Route;

/** A route that only reads. */
export function reads<Query = Record<string, never>>(
  definition: Omit<Route<Query, undefined>, "method" | "body" | "audit">,
): AnyRoute {
  return { ...definition, method: "GET" } as unknown as AnyRoute;
}

/** A route that changes something: it is refused in read-only mode, and the audit log has it. */
export function changes<Body = undefined>(
  definition: Omit<Route<Record<string, never>, Body>, "method" | "query" | "public"> & {
    readonly method?: "POST" | "DELETE";
    readonly audit: (input: RouteInput<Record<string, never>, Body>) => AuditedAction;
  },
): AnyRoute {
  return { method: "POST", ...definition } as unknown as AnyRoute;
}

/** A route to sign in or out with. */
export function signs<Body = undefined>(
  definition: Omit<Route<Record<string, never>, Body>, "query" | "public" | "audit">,
): AnyRoute {
  return { ...definition, public: true } as unknown as AnyRoute;
}
