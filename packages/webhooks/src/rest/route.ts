import type { JsonObject } from "@busbar/core/provider";
import type { z } from "zod";
import type { Caller, Permission } from "./permissions.ts";

/** A Zod schema of an object, of which nothing else is known. */
export type ObjectSchema = z.ZodObject;

/** A method that routes have. */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a route answers. */
export interface Answer {
  /** The status. */
  readonly status: number;
  /** The body, which is written as JSON. Nothing without it. */
  readonly body?: unknown;
  /** Headers besides those that every answer has. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A request that has passed all checks. */
export interface RouteInput<Params, Query, Body> {
  /** The parameters of the path. */
  readonly params: Params;
  /** The parameters of the query. */
  readonly query: Query;
  /** The body. */
  readonly body: Body;
  /** The body as a merge patch, for routes that take one, if it was sent as such. Then `body` is of no account. */
  readonly patch: JsonObject | undefined;
  /** Who sends the request. */
  readonly caller: Caller;
  /** The version that `If-Match` asks for. */
  readonly ifVersion: number | undefined;
  /** The request as it came. Its body has been read. */
  readonly request: Request;
  /** The URL of the request. */
  readonly url: URL;
}

/** One answer that a route may give, for the OpenAPI document. */
export interface RouteResponse {
  /** One sentence about it. */
  readonly description: string;
  /** The schema of the body. No body without it. */
  readonly schema?: z.ZodType | undefined;
  /** @default ["application/json"] */
  readonly mediaTypes?: readonly string[] | undefined;
  /** The headers that matter, with one sentence about each. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** One method of one resource: what it takes, what it answers, who may use it, and what it does. */
export interface Route<Params = never, Query = never, Body = never> {
  readonly method: Method;
  /** The path, with parameters in braces: `/subscriptions/{id}`. */
  readonly path: string;
  /** The name of the operation in generated clients. */
  readonly id: string;
  /** The group that it is listed in. */
  readonly tag: "Subscriptions" | "Deliveries" | "Replays" | "Catalogue" | "Mage-OS";
  /** What it does, in a few words. */
  readonly summary: string;
  /** What else there is to know. */
  readonly description?: string | undefined;
  /** What a caller needs. `any`: any permission of this interface. `public`: not even credentials. */
  readonly permission: Permission | "any" | "public";
  readonly params?: (ObjectSchema & z.ZodType<Params>) | undefined;
  readonly query?: (ObjectSchema & z.ZodType<Query>) | undefined;
  /** Whether the query is read by the route itself, and in which words it is documented. */
  readonly freeQuery?: Readonly<Record<string, string>> | undefined;
  readonly body?: z.ZodType<Body> | undefined;
  /** Whether there may be no body. Then its schema sees `undefined`. */
  readonly bodyOptional?: boolean | undefined;
  /** Whether a body may also be a merge patch of RFC 7396, as `application/merge-patch+json`. */
  readonly mergePatch?: boolean | undefined;
  /**
   * Whether a body may also come as `application/x-www-form-urlencoded`, which is what curl says if it is not told
   * otherwise. Only with the header `Authorization`: no page of another site can make a browser send that.
   */
  readonly bodyOfCurl?: boolean | undefined;
  /** Whether `If-Match` is read. */
  readonly ifMatch?: boolean | undefined;
  /** The answers when all goes well. Those for problems are the same everywhere. */
  readonly responses: Readonly<Record<number, RouteResponse>>;
  /** Answers a request. */
  handle(input: RouteInput<Params, Query, Body>): Promise<Answer | Response>;
}

/** A route whose types nobody needs any more. */
export type AnyRoute = Route;

/** Lets the types of a route's input follow from its schemas. */
export function route<Params, Query, Body>(definition: Route<Params, Query, Body>): AnyRoute {
  return definition as unknown as AnyRoute;
}
