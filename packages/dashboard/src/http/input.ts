import type { Issue } from "@busbar/core";
import { toIssues } from "@busbar/core/provider";
import type { z } from "zod";
import { Problem, wrong } from "./problem.ts";

/** Bytes that a body may have. */
const MAX_BODY_BYTES = 1_048_576;
/** Levels of nesting that a body may have, so that whatever walks through the body has enough stack. */
const MAX_LEVELS = 200;

/**
 * Reads the body of a request as JSON.
 *
 * @throws Problem when the body is too large, of another type, no JSON, or not what the schema wants.
 */
export async function readBody(request: Request, schema: z.ZodType): Promise<unknown> {
  const type = (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    throw new Problem("unsupported-media-type", "Header content-type: must be application/json");
  }
  const bytes = await readBytes(request);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Problem("invalid-request", "The body is not JSON in UTF-8");
  }
  if (isDeeper(value, MAX_LEVELS)) {
    throw new Problem("invalid-body", `The body has more than ${MAX_LEVELS} levels of nesting`);
  }
  const { data, issues } = parse(schema, value);
  if (issues.length > 0) throw wrong(issues);
  return data;
}

/**
 * Reads the parameters of a query.
 *
 * @throws Problem that names each parameter that is unknown, given twice, or wrong.
 */
export function readQuery(schema: z.ZodObject | undefined, query: URLSearchParams): unknown {
  const known = Object.keys(schema?.shape ?? {});
  const given: Record<string, string> = {};
  for (const [name, value] of query) {
    const reason = !known.includes(name)
      ? "is not known"
      : Object.hasOwn(given, name)
        ? "must be given once"
        : undefined;
    if (reason !== undefined) throw wrongParameter(name, reason);
    given[name] = value;
  }
  if (!schema) return given;
  const { data, issues } = parse(schema, given);
  const [first] = issues;
  if (first) throw wrongParameter(first.path, first.reason);
  return data;
}

/**
 * Asks the bus for something that a request describes. What the bus is given wrongly, it calls a mistake of the
 * program: here the mistake is in the request.
 */
export async function asRequested<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TypeError) throw new Problem("invalid-parameter", error.message);
    throw error;
  }
}

/** The problem of one parameter. */
function wrongParameter(parameter: string, detail: string): Problem {
  return new Problem("invalid-parameter", `Parameter ${parameter}: ${detail}`, {
    errors: [{ parameter, detail }],
  });
}

/** @throws Problem when a URL is percent-encoded wrongly, or has a character U+0000. */
export function assertUrl({ pathname, search }: URL): void {
  for (const text of [pathname, search.replaceAll("+", " ")]) {
    let decoded: string;
    try {
      decoded = decodeURIComponent(text);
    } catch {
      throw new Problem("invalid-request", "The URL is not UTF-8 in percent-encoding");
    }
    if (decoded.includes("\0")) {
      throw new Problem("invalid-request", "The URL has a character U+0000");
    }
  }
}

function parse(
  schema: z.ZodType,
  value: unknown,
): { readonly data?: unknown; readonly issues: readonly Issue[] } {
  const { data, error } = schema.safeParse(value);
  return error ? { issues: toIssues(error.issues, undefined) } : { data, issues: [] };
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = new Problem("body-too-large", `The body has more than ${MAX_BODY_BYTES} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge;
  const reader = request.body?.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (reader) {
    const { done, value } = await reader.read().catch(() => {
      throw new Problem("invalid-request", "The body has ended early");
    });
    if (done) break;
    length += value.byteLength;
    if (length > MAX_BODY_BYTES) {
      void reader.cancel().catch(() => undefined);
      throw tooLarge;
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks);
}

/** Whether a value has more levels of arrays and objects. Walks without recursion. */
function isDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > most) return true;
    level = level.flatMap((it) => (typeof it === "object" && it ? Object.values(it) : []));
  }
  return false;
}
