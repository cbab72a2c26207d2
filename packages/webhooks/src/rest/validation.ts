import { unknownKeyReason } from "@busbar/core/provider";
import { z } from "zod";
import { readWith } from "../subscriptions/schema.ts";
import { type Fault, pointerTo, Problem, wrongBody } from "./problem.ts";
import type { ObjectSchema } from "./route.ts";

/** What a parameter of the query is converted to before it meets its schema. */
type ParameterKind = "number" | "boolean" | "string";

/**
 * Reads the parameters of a query.
 *
 * @throws Problem that names each parameter that is unknown, repeated or wrong.
 */
export function readQuery(schema: ObjectSchema, query: URLSearchParams): unknown {
  const known = Object.keys(schema.shape);
  const given = new Map<string, unknown>();
  const faults: Fault[] = [];
  for (const [parameter, text] of query) {
    if (!known.includes(parameter)) {
      const detail = unknownKeyReason(parameter, known).replace("key", "parameter");
      faults.push({ parameter, detail });
    } else if (given.has(parameter)) {
      faults.push({ parameter, detail: "must be given once" });
    } else given.set(parameter, convert(text, kindOf(schema.shape[parameter]!)));
  }
  return readParameters(schema, Object.fromEntries(given), faults);
}

/**
 * Reads parameters that have been taken apart.
 *
 * @param faults What is known to be wrong already.
 * @throws Problem that names each parameter that is wrong.
 */
export function readParameters(
  schema: ObjectSchema,
  given: Readonly<Record<string, unknown>>,
  faults: readonly Fault[] = [],
): unknown {
  const { value, issues } = readWith(schema, given);
  const errors = [
    ...faults,
    ...issues.map(({ path, reason }) => ({ parameter: path, detail: reason })),
  ];
  if (errors.length === 0) return value;
  const detail = errors.map((it) => `Parameter ${it.parameter}: ${it.detail}`).join("; ");
  throw new Problem("invalid-parameter", detail, { errors });
}

/** @throws Problem that names each place of the body that is wrong. */
export function readBody<T>(schema: z.ZodType<T>, given: unknown): T {
  const { value, issues } = readWith(schema, given);
  if (issues.length === 0) return value as T;
  throw wrongBody(issues.map(({ path, reason }) => ({ pointer: pointerTo(path), detail: reason })));
}

function convert(text: string, kind: ParameterKind): unknown {
  if (kind === "number" && /^-?\d{1,15}(\.\d{1,9})?$/.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function kindOf(schema: z.core.$ZodType): ParameterKind {
  const inner =
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? schema.unwrap() : schema;
  if (inner instanceof z.ZodNumber) return "number";
  return inner instanceof z.ZodBoolean ? "boolean" : "string";
}
