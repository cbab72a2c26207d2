import { type Issue, isBusbarError } from "@busbar/core";
import type { ProblemFault, ProblemView } from "../contract/api.ts";

/** The problems that requests may have: the status, and a title that is the same each time. */
const PROBLEMS = {
  "invalid-request": [400, "The request is malformed"],
  "invalid-parameter": [400, "A parameter is wrong"],
  "not-signed-in": [401, "Nobody is signed in"],
  "wrong-token": [401, "The token is wrong"],
  "read-only": [403, "Changes are not allowed"],
  "foreign-request": [403, "The request does not come from the dashboard"],
  "not-found": [404, "There is no such thing"],
  "method-not-allowed": [405, "The resource has no such method"],
  unsupported: [409, "The bus cannot do this"],
  conflict: [409, "The state does not allow this"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The body must be JSON"],
  "invalid-body": [422, "The body is wrong"],
  "too-many-requests": [429, "Too many requests"],
  internal: [500, "The server has failed"],
  unavailable: [503, "The server cannot do this now"],
} as const;

/** What went wrong: the end of the `type` of a problem. */
export type ProblemCode = keyof typeof PROBLEMS;

/** What a problem may say besides. */
export interface ProblemOptions {
  readonly errors?: readonly ProblemFault[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A request that is answered with a problem of RFC 9457. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly errors: readonly ProblemFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, { errors, headers }: ProblemOptions = {}) {
    super(detail);
    this.code = code;
    this.errors = errors ?? [];
    this.headers = headers ?? {};
  }

  /** The body of the answer. */
  toJSON(): ProblemView {
    const [status, title] = PROBLEMS[this.code];
    const { message: detail, errors } = this;
    const type = `urn:busbar:problem:${this.code}`;
    return { type, title, status, detail, ...(errors.length > 0 && { errors }) };
  }
}

/** The answer to a request that has a problem. */
export function problemResponse(problem: Problem): Response {
  const body = problem.toJSON();
  const headers = { ...problem.headers, "content-type": "application/problem+json" };
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

/** The problem that an error is. Undefined if the error is a failure of the server. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (isBusbarError(error, "BUSBAR_NOT_FOUND")) return new Problem("not-found", error.message);
  if (isBusbarError(error, "BUSBAR_CONFLICT")) return new Problem("conflict", error.message);
  if (isBusbarError(error, "BUSBAR_UNSUPPORTED")) return new Problem("unsupported", error.message);
  if (isBusbarError(error, "BUSBAR_INVALID_EVENT")) return wrong(error.details.issues, "data");
  if (isBusbarError(error, "BUSBAR_INVALID_MESSAGE")) return wrong(error.details.issues);
  if (isBusbarError(error, "BUSBAR_INVALID_REQUEST")) return wrong(error.details.issues);
  const passes =
    isBusbarError(error, "BUSBAR_UNAVAILABLE") ||
    isBusbarError(error, "BUSBAR_NOT_RUNNING") ||
    isBusbarError(error, "BUSBAR_EMIT_TIMEOUT") ||
    isBusbarError(error, "BUSBAR_OVERLOADED") ||
    isBusbarError(error, "BUSBAR_TIMEOUT");
  return passes
    ? new Problem("unavailable", error.message, { headers: { "retry-after": "5" } })
    : undefined;
}

/** The problem of a body in which some places are wrong. */
export function wrong(issues: readonly Issue[], within?: string): Problem {
  const errors = issues.map(({ path, reason }) => ({
    pointer: pointerTo(path, within),
    detail: reason,
  }));
  const [first] = errors;
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
  const detail = first ? `${first.pointer} ${first.detail}${more}` : "The body is wrong";
  return new Problem("invalid-body", detail, { errors });
}

/** A path such as `items[0].sku` as a JSON pointer: `#/items/0/sku`. */
function pointerTo(path: string, within: string | undefined): string {
  const steps = [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, key, index, name]) =>
      key === undefined ? (index ?? name ?? "") : (JSON.parse(`"${key}"`) as string),
  );
  const all = within === undefined ? steps : [within, ...steps];
  return `#${all.map((step) => `/${escapeStep(step)}`).join("")}`;
}

function escapeStep(step: string): string {
  return encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"));
}
