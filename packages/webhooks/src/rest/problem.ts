import { type Issue, isBusbarError } from "@busbar/core";
import { isLuceneError, type LuceneError } from "../search/lucene-error.ts";

/** What is wrong with one place of a request. */
export interface Fault {
  /** A JSON pointer into the body, as a fragment: `#/events/0`. */
  readonly pointer?: string | undefined;
  /** The name of a parameter of the query or the path. */
  readonly parameter?: string | undefined;
  /** The name of a header. */
  readonly header?: string | undefined;
  /** Where in a query, a cursor or a malformed body: counts from 0. */
  readonly position?: number | undefined;
  /** What is wrong there. */
  readonly detail: string;
}

/** The problems that requests may have: the status, and a title that is the same each time. */
export const PROBLEMS = {
  "invalid-json": [400, "The body is not JSON"],
  "invalid-parameter": [400, "A parameter is wrong"],
  "invalid-header": [400, "A header is wrong"],
  "invalid-url": [400, "The URL is malformed"],
  unauthenticated: [401, "The caller is not known"],
  forbidden: [403, "The caller is not allowed to do this"],
  "not-found": [404, "There is no such thing"],
  "method-not-allowed": [405, "The resource has no such method"],
  conflict: [409, "The state does not allow this"],
  "request-in-progress": [409, "A request with this idempotency key is in progress"],
  "version-mismatch": [412, "The resource has changed"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The media type is not supported"],
  "invalid-body": [422, "The body is wrong"],
  "idempotency-key-reused": [422, "The idempotency key belongs to another request"],
  internal: [500, "The server has failed"],
  unavailable: [503, "The server cannot do this now"],
} as const;

/** What went wrong, as clients tell it apart: the end of a problem's `type`. */
export type ProblemCode = keyof typeof PROBLEMS;

/** A request that is answered with a problem of RFC 9457. */
export class Problem extends Error {
  /** Always `Problem`. */
  override readonly name = "Problem";
  /** What went wrong. */
  readonly code: ProblemCode;
  /** Each place that is wrong. */
  readonly errors: readonly Fault[];
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      readonly errors?: readonly Fault[] | undefined;
      readonly headers?: Readonly<Record<string, string>> | undefined;
    } = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }

  /** The status of the answer. */
  get status(): number {
    return PROBLEMS[this.code][0];
  }

  /** The answer's body. */
  toJSON(): Readonly<Record<string, unknown>> {
    const [status, title] = PROBLEMS[this.code];
    return {
      type: `urn:busbar:problem:${this.code}`,
      title,
      status,
      detail: this.message,
      // Clients of Mage-OS read this one.
      message: this.message,
      ...(this.errors.length > 0 && { errors: this.errors }),
    };
  }
}

/** The problem of one parameter. */
export function wrongParameter(parameter: string, detail: string, position?: number): Problem {
  return new Problem("invalid-parameter", `Parameter ${parameter}: ${detail}`, {
    errors: [{ parameter, detail, ...(position !== undefined && { position }) }],
  });
}

/** The problem of one header. */
export function wrongHeader(header: string, detail: string): Problem {
  return new Problem("invalid-header", `Header ${header}: ${detail}`, {
    errors: [{ header, detail }],
  });
}

/** The problem of a body that has faults. */
export function wrongBody(faults: readonly Fault[]): Problem {
  const [first, ...others] = faults;
  const more = others.length > 0 ? `, and ${others.length} more` : "";
  return new Problem("invalid-body", `${first!.pointer ?? "#"} ${first!.detail}${more}`, {
    errors: faults,
  });
}

/** Where the values of a call came from, so that a fault names the place in the request. */
export type Origin = "body" | "parameters";

/**
 * The problem that an error of a service is. Undefined if the error is not the caller's: then it is a failure of the
 * server.
 *
 * @param ifMatch Whether the request has said which version it means.
 */
export function problemOf(error: unknown, from: Origin, ifMatch: boolean): Problem | undefined {
  if (error instanceof Problem) return error;
  if (isBusbarError(error, "BUSBAR_INVALID_REQUEST")) return invalid(error.details.issues, from);
  if (isLuceneError(error)) return wrongQuery(error, from);
  if (isBusbarError(error, "BUSBAR_NOT_FOUND")) return new Problem("not-found", error.message);
  if (isBusbarError(error, "BUSBAR_CONFLICT")) {
    return new Problem(ifMatch ? "version-mismatch" : "conflict", error.message);
  }
  if (isBusbarError(error, "BUSBAR_UNAVAILABLE") || isBusbarError(error, "BUSBAR_NOT_RUNNING")) {
    return new Problem("unavailable", "Try again later", { headers: { "retry-after": "5" } });
  }
  return undefined;
}

function wrongQuery({ message, offset }: LuceneError, from: Origin): Problem {
  return from === "body"
    ? wrongBody([{ pointer: "#/query", position: offset, detail: message }])
    : wrongParameter("query", message, offset);
}

function invalid(issues: readonly Issue[], from: Origin): Problem {
  if (from === "body") {
    return wrongBody(
      issues.map(({ path, reason }) => ({ pointer: pointerTo(path), detail: reason })),
    );
  }
  const errors = issues.map((issue) => ({
    parameter: stepsOf(issue.path)[0] ?? "query",
    detail: issue.reason,
  }));
  return new Problem(
    "invalid-parameter",
    errors.map(({ parameter, detail }) => `Parameter ${parameter}: ${detail}`).join("; "),
    { errors },
  );
}

/** A path of an issue as a JSON pointer: `events[0]` is `#/events/0`. */
export function pointerTo(path: string): string {
  return pointerOf(stepsOf(path));
}

/** A JSON pointer, as a fragment. */
export function pointerOf(steps: readonly PropertyKey[]): string {
  return `#${steps
    .map(
      (step) => `/${encodeURIComponent(String(step).replaceAll("~", "~0").replaceAll("/", "~1"))}`,
    )
    .join("")}`;
}

/** The steps of a path such as `settings.headers["x-a"].values[0]`. */
function stepsOf(path: string): readonly string[] {
  return [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, key, index, name]) =>
      key === undefined ? (index ?? name ?? "") : (JSON.parse(`"${key}"`) as string),
  );
}
