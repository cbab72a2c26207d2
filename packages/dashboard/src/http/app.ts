import { randomUUID } from "node:crypto";
import type { Logger } from "@busbar/core";
import { type JsonObject, safeError } from "@busbar/core/provider";
import { type Context, Hono } from "hono";
import type { AuditLog } from "../audit.ts";
import type { Caller } from "../auth/caller.ts";
import { assertUrl, readBody, readQuery } from "./input.ts";
import { Problem, problemOf, problemResponse } from "./problem.ts";
import type { AnyRoute, RouteInput } from "./route.ts";
import { assertOwnRequest } from "./same-site.ts";

/** What the requests of the API share. */
export interface AppEnvironment {
  /** Finds out who sends a request. */
  readonly callerOf: (request: Request) => Caller | undefined | Promise<Caller | undefined>;
  /** Whether nobody may change anything. */
  readonly readOnly: boolean;
  readonly audit: AuditLog;
  /** Where failures are logged. */
  readonly logger: () => Logger | undefined;
}

/** An API that the dashboard passes requests on to, once it knows who sends them. */
export interface MountedApi {
  /** The path below `/api`, such as `/webhooks`. */
  readonly path: string;
  /** The part of the page that it belongs to, for the audit log. */
  readonly action: string;
  /** @param prefix The path of the request up to and with {@link MountedApi.path}. */
  handle(request: Request, prefix: string, caller: Caller): Promise<Response>;
}

/**
 * Makes the API. It is found below `/api` and below `<basePath>/api`, as some hosts take the base path off.
 *
 * @param basePath The path that comes before, or an empty text.
 */
export function createApi(
  basePath: string,
  routes: readonly AnyRoute[],
  mounted: readonly MountedApi[],
  environment: AppEnvironment,
): (request: Request) => Promise<Response> {
  const app = new Hono();
  app.onError((error, context) => failure(error, context.req.raw, environment));
  app.notFound(() => problemResponse(new Problem("not-found", "There is no such resource")));
  for (const base of new Set(["/api", `${basePath}/api`])) {
    for (const route of routes) {
      app.on(route.method, base + route.path, (context) =>
        answerRoute(route, context, environment),
      );
    }
    for (const api of mounted) {
      const prefix = base + api.path;
      app.all(`${prefix}/*`, (context) => answerMounted(api, prefix, context.req.raw, environment));
    }
    for (const [path, methods] of methodsOf(routes)) {
      app.all(base + path, ({ req }) => {
        const detail = `${req.method} is not among ${methods}`;
        return problemResponse(
          new Problem("method-not-allowed", detail, { headers: { allow: methods } }),
        );
      });
    }
  }
  return async (request) => app.fetch(request);
}

/** The answer to a request that a failure of the server has ended: the log says which, under the id in the answer. */
export function failure(
  error: unknown,
  request: Request,
  { logger }: Pick<AppEnvironment, "logger">,
): Response {
  const problem = problemOf(error);
  if (problem) return problemResponse(problem);
  const failureId = randomUUID();
  const { pathname } = new URL(request.url);
  logger()?.error(
    { failureId, method: request.method, path: pathname, error: safeError(error) },
    "A request to the dashboard has failed",
  );
  return problemResponse(new Problem("internal", `The log says more about failure ${failureId}`));
}

function methodsOf(routes: readonly AnyRoute[]): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const { path, method } of routes) {
    const before = paths.get(path);
    const added = method === "GET" ? "GET, HEAD" : method;
    paths.set(path, before === undefined ? added : `${before}, ${added}`);
  }
  return paths;
}

async function answerRoute(
  route: AnyRoute,
  context: Context,
  environment: AppEnvironment,
): Promise<Response> {
  const request = context.req.raw;
  const url = new URL(request.url);
  assertUrl(url);
  const isUnsafe = route.method !== "GET";
  if (isUnsafe) assertOwnRequest(request);
  const caller = await environment.callerOf(request);
  if (route.public !== true) {
    assertSignedIn(caller);
    if (isUnsafe) assertMayChange(caller, environment.readOnly);
  }
  const input: RouteInput<unknown, unknown> = {
    params: context.req.param(),
    query: readQuery(route.query, url.searchParams),
    body: route.body ? await readBody(request, route.body) : undefined,
    caller,
    request,
  };
  const answer = await audited(route, input as RouteInput<never, never>, environment.audit);
  return answer instanceof Response ? answer : Response.json(answer);
}

/** Handles a request, and writes to the audit log what it was, and how it ended. */
async function audited(
  route: AnyRoute,
  input: RouteInput<never, never>,
  audit: AuditLog,
): Promise<unknown> {
  if (!route.audit) return route.handle(input);
  const { action, target, details = {} } = route.audit(input);
  const entry = { caller: input.caller?.name ?? "", action, target };
  try {
    const answer = await route.handle(input);
    audit.add({ ...entry, result: "done", details: { ...details, ...numbersOf(answer) } });
    return answer;
  } catch (error) {
    // Texts of errors may quote what was sent.
    const why = problemOf(error)?.code ?? "internal";
    audit.add({ ...entry, result: "failed", details: { ...details, why } });
    throw error;
  }
}

function numbersOf(answer: unknown): JsonObject {
  if (typeof answer !== "object" || answer === null || answer instanceof Response) return {};
  const { count, eventId, id } = answer as Readonly<Record<string, unknown>>;
  return {
    ...(typeof count === "number" && { count }),
    ...(typeof eventId === "string" && { eventId }),
    ...(typeof id === "string" && { id }),
  };
}

async function answerMounted(
  api: MountedApi,
  prefix: string,
  request: Request,
  environment: AppEnvironment,
): Promise<Response> {
  const url = new URL(request.url);
  assertUrl(url);
  const isUnsafe = request.method !== "GET" && request.method !== "HEAD";
  if (isUnsafe) assertOwnRequest(request);
  const caller = await environment.callerOf(request);
  assertSignedIn(caller);
  if (isUnsafe) assertMayChange(caller, environment.readOnly);
  const response = await api.handle(request, prefix, caller);
  if (isUnsafe) {
    environment.audit.add({
      caller: caller.name,
      action: `${api.action}.${request.method.toLowerCase()}`,
      target: url.pathname.slice(prefix.length),
      result: response.ok ? "done" : "failed",
      details: { status: response.status },
    });
  }
  return response;
}

function assertSignedIn(caller: Caller | undefined): asserts caller is Caller {
  if (!caller) throw new Problem("not-signed-in", "Sign in, and repeat the request");
}

function assertMayChange(caller: Caller, readOnly: boolean): void {
  if (readOnly) throw new Problem("read-only", "The dashboard is read-only");
  if (caller.readOnly === true) throw new Problem("read-only", `${caller.name} may look only`);
}
