import type { Logger } from "@busbar/core";
import { type JsonObject, safeError } from "@busbar/core/provider";
import { type Context, Hono } from "hono";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { type Authenticate, unauthenticated } from "./authentication.ts";
import { answerOnce, fingerprintOf, type IdempotentRequests, requestKeyOf } from "./idempotency.ts";
import { type Caller, isAllowed, isAllowedAnything } from "./permissions.ts";
import { isKnown, versionOf } from "./preconditions.ts";
import { type Origin, Problem, problemOf } from "./problem.ts";
import { type RawBody, readJsonBody } from "./request-body.ts";
import type { Answer, AnyRoute, RouteInput } from "./route.ts";
import { readBody, readParameters, readQuery } from "./validation.ts";

/** What the routes of an interface share. */
export interface RestEnvironment {
  /** Finds out who sends a request. */
  readonly authenticate: Authenticate;
  /** Remembers requests with an idempotency key. */
  readonly idempotency: IdempotentRequests;
  /** Where failures of the server are written. */
  readonly logger: Logger;
}

const ANONYMOUS: Caller = { name: "anonymous", permissions: [] };

/** What a body of a merge patch is sent as. */
export const MERGE_PATCH = "application/merge-patch+json";

const patchSchema = z.record(z.string(), z.unknown(), { error: "must be an object" });

const CURL_TYPE = "application/x-www-form-urlencoded";

/** Headers of every answer: nothing is shown in a page, nothing is kept in a cache. */
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Routes, and below which path they are. */
export interface MountedRoutes {
  /** The path that comes before that of each route. Empty for none. */
  readonly base: string;
  readonly routes: readonly AnyRoute[];
}

/** Makes an application of Hono out of routes. */
export function createRestApp(
  mounts: readonly MountedRoutes[],
  environment: RestEnvironment,
): Hono {
  const app = new Hono();
  app.onError((error) => failure(error, environment.logger));
  app.notFound(() => answerProblem(new Problem("not-found", "There is no such resource")));
  app.use((context, next) => {
    assertUrl(context.req.url);
    return next();
  });
  for (const { base, routes } of mounts) {
    for (const it of routes) {
      const path = base + it.path.replaceAll(/\{(\w+)\}/g, ":$1");
      app.on(it.method, path, (context) => answerRoute(it, context, environment));
    }
    for (const [path, methods] of methodsOfPaths(routes)) {
      app.all(base + path.replaceAll(/\{(\w+)\}/g, ":$1"), (context) => {
        const allow = methods.join(", ");
        const detail = `${context.req.method} is not among ${allow}`;
        return answerProblem(new Problem("method-not-allowed", detail, { headers: { allow } }));
      });
    }
  }
  return app;
}

function methodsOfPaths(routes: readonly AnyRoute[]): ReadonlyMap<string, readonly string[]> {
  const paths = new Map<string, string[]>();
  for (const { path, method } of routes) {
    const methods = paths.get(path) ?? [];
    paths.set(path, [...methods, ...(method === "GET" ? ["GET", "HEAD"] : [method])]);
  }
  return paths;
}

async function answerRoute(
  it: AnyRoute,
  context: Context,
  environment: RestEnvironment,
): Promise<Response> {
  const request = context.req.raw;
  let origin: Origin = "parameters";
  let ifVersion: number | undefined;
  try {
    const caller = await callerOf(it, request, environment.authenticate);
    const url = new URL(request.url);
    ifVersion = it.ifMatch === true ? versionOf(request.headers.get("if-match")) : undefined;
    const params = it.params ? readParameters(it.params, context.req.param()) : {};
    const query = it.freeQuery ? {} : readQueryOf(it, url);
    const key =
      it.method === "POST" && it.permission !== "public"
        ? requestKeyOf(request, caller.name)
        : undefined;
    let raw: RawBody = { text: "", value: undefined };
    if (it.body) {
      origin = "body";
      raw = await readJsonBody(request, {
        mediaTypes: bodyTypesOf(it, request),
        optional: it.bodyOptional === true,
      });
    }
    const isPatch = it.mergePatch === true && mediaTypeOf(request) === MERGE_PATCH;
    const input: RouteInput<unknown, unknown, unknown> = {
      params,
      query,
      body: it.body && !isPatch ? readBody(it.body, raw.value) : undefined,
      patch: isPatch ? (readBody(patchSchema, raw.value) as JsonObject) : undefined,
      caller,
      ifVersion,
      request,
      url,
    };
    const handle = () => it.handle(input as RouteInput<never, never, never>);
    const answer = key
      ? await answerOnce(
          environment.idempotency,
          key,
          fingerprintOf(it.method, url.pathname, raw.text),
          handle,
        )
      : await handle();
    return toResponse(answer, request);
  } catch (error) {
    const problem = problemOf(error, origin, ifVersion !== undefined);
    return problem ? answerProblem(problem) : failure(error, environment.logger);
  }
}

async function callerOf(
  it: AnyRoute,
  request: Request,
  authenticate: Authenticate,
): Promise<Caller> {
  if (it.permission === "public") return ANONYMOUS;
  const caller = await authenticate(request);
  if (!caller) throw unauthenticated(request);
  const allowed =
    it.permission === "any" ? isAllowedAnything(caller) : isAllowed(caller, it.permission);
  if (!allowed) {
    const needed = it.permission === "any" ? "any permission of webhooks" : it.permission;
    throw new Problem("forbidden", `This needs the permission ${needed}`);
  }
  return caller;
}

function readQueryOf(it: AnyRoute, url: URL): unknown {
  if (it.query) return readQuery(it.query, url.searchParams);
  const [unknown] = url.searchParams.keys();
  if (unknown === undefined) return {};
  throw new Problem("invalid-parameter", `Parameter ${unknown}: is not known`, {
    errors: [{ parameter: unknown, detail: "is not known" }],
  });
}

function bodyTypesOf(it: AnyRoute, request: Request): readonly string[] {
  const types = ["application/json"];
  if (it.mergePatch === true) types.push(MERGE_PATCH);
  if (it.bodyOfCurl === true && request.headers.has("authorization")) types.push(CURL_TYPE);
  return types;
}

function mediaTypeOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
}

/** @throws Problem when the URL is percent-encoded wrongly, or hides a NUL. */
function assertUrl(address: string): void {
  const { pathname, search } = new URL(address);
  for (const [what, text] of [
    ["path", pathname],
    ["query", search.replaceAll("+", " ")],
  ] as const) {
    let decoded: string;
    try {
      decoded = decodeURIComponent(text);
    } catch {
      throw new Problem("invalid-url", `The ${what} is not UTF-8 in percent-encoding`);
    }
    if (decoded.includes("\0"))
      throw new Problem("invalid-url", `The ${what} has a character U+0000`);
  }
}

function toResponse(answer: Answer | Response, request: Request): Response {
  if (answer instanceof Response) {
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!answer.headers.has(name)) answer.headers.set(name, value);
    }
    return answer;
  }
  const headers: Record<string, string> = { ...HEADERS, ...answer.headers };
  const { etag } = headers;
  const isGet = request.method === "GET" || request.method === "HEAD";
  if (isGet && etag !== undefined && isKnown(request.headers.get("if-none-match"), etag)) {
    return new Response(null, { status: 304, headers });
  }
  if (answer.body === undefined) return new Response(null, { status: answer.status, headers });
  return Response.json(answer.body, { status: answer.status, headers });
}

/** The answer that tells a client of a problem. */
export function answerProblem(problem: Problem): Response {
  const headers = { ...HEADERS, ...problem.headers, "content-type": "application/problem+json" };
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** Answers a failure of the server: what it was, only the log says, under the id that the client gets. */
function failure(error: unknown, logger: Logger): Response {
  if (error instanceof Problem) return answerProblem(error);
  const id = randomUUID();
  logger.error(
    { failureId: id, error: safeError(error) },
    "A request to the webhooks API has failed",
  );
  return answerProblem(new Problem("internal", `The log says more about failure ${id}`));
}
