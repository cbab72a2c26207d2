import { BusbarError, type Issue } from "@busbar/core";
import {
  checkEventName,
  checks,
  isStandardSchema,
  type JsonObject,
  type JsonValue,
  listed,
  type OptionCheck,
  optionIssues,
  safeError,
  toIssues,
} from "@busbar/core/provider";
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import type { AsyncEventDefinition, CatalogueEntry } from "../contract/async-event.ts";
import type { AsyncEvents } from "./define-async-events.ts";
import { isOperational, OPERATIONAL_EVENTS } from "./operational-events.ts";

const NAME = /^[A-Za-z0-9._-]+$/;

const DEFINITION: { readonly [Name in keyof AsyncEventDefinition]-?: OptionCheck } = {
  resolve: checks.function,
  permissions: checks.texts,
  schema: (value) =>
    isStandardSchema(value)
      ? undefined
      : "must be a Standard Schema, such as one of zod, valibot or arktype",
  validate: checks.boolean,
  example: (value) => (jsonOf(value) === undefined ? "must be a JSON value" : undefined),
  description: checks.text,
  deprecated: checks.boolean,
  whenGone: checks.oneOf("fail", "tombstone", "drop"),
  retry: checks.boolean,
};

/** The declared events, and the operational ones, by their names. */
export class Catalogue {
  readonly #definitions: ReadonlyMap<string, AsyncEventDefinition>;

  constructor(definitions: ReadonlyMap<string, AsyncEventDefinition>) {
    this.#definitions = definitions;
  }

  /** The names of all events, the operational ones included. */
  get names(): readonly string[] {
    return [...this.#definitions.keys()];
  }

  /** The definition of an event. Undefined if there is none of this name. */
  get(name: string): AsyncEventDefinition | undefined {
    return this.#definitions.get(name);
  }

  /** How the events look in the catalogue, in the order of their names. */
  entries(): readonly CatalogueEntry[] {
    return [...this.#definitions]
      .map(([name, definition]) => entryOf(name, definition))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * What is wrong with a payload, for an event whose payloads are to be checked. Undefined if nothing is. Reasons hold
   * no values of the payload.
   */
  async check(name: string, payload: unknown): Promise<readonly Issue[] | undefined> {
    const definition = this.#definitions.get(name);
    if (!definition?.schema || definition.validate !== true) return undefined;
    return issuesOf(definition.schema, payload);
  }
}

/**
 * Merges the definitions of several packages, and checks them all.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` with everything that is wrong.
 */
export async function openCatalogue(sources: readonly AsyncEvents[]): Promise<Catalogue> {
  const definitions = new Map<string, AsyncEventDefinition>();
  const issues: Issue[] = [];
  for (const [name, definition] of sources.flatMap((it) => Object.entries(it.definitions))) {
    const path = `events[${JSON.stringify(name)}]`;
    const reason = definitions.has(name) ? "is defined twice" : nameReason(name);
    if (reason !== undefined) issues.push({ path, reason });
    const found = optionIssues(definition, DEFINITION);
    issues.push(...found.map((it) => ({ ...it, path: [path, ...it.path].join(".") })));
    if (found.length === 0) issues.push(...(await definitionIssues(definition, path)));
    definitions.set(name, definition);
  }
  if (issues.length > 0) {
    const reasons = issues.map(({ path, reason }) => `${path} ${reason}`);
    throw new BusbarError("BUSBAR_INVALID_CONFIG", `webhooks(): ${listed(reasons)}`, {
      module: "@busbar/webhooks",
      issues: issues.map(({ path, reason }) => ({ path, reason })),
    });
  }
  for (const [name, definition] of Object.entries(OPERATIONAL_EVENTS)) {
    definitions.set(name, definition);
  }
  return new Catalogue(definitions);
}

function nameReason(name: string): string | undefined {
  if (!NAME.test(name)) return "must have letters, digits, dots, hyphens and underscores only";
  if (isOperational(name)) return "begins with webhooks., as operational events do";
  return checkEventName(name);
}

/** What is wrong with a definition whose members are right on their own. */
async function definitionIssues(
  { schema, validate, example, whenGone, resolve }: AsyncEventDefinition,
  path: string,
): Promise<readonly Issue[]> {
  const issues: Issue[] = [];
  if (validate === true && !schema) {
    issues.push({ path: `${path}.validate`, reason: "needs a schema" });
  }
  if (whenGone !== undefined && !resolve) {
    issues.push({ path: `${path}.whenGone`, reason: "needs a resolver" });
  }
  if (!schema || example === undefined) return issues;
  for (const issue of await issuesOf(schema, example)) {
    const where = issue.path === "" ? "" : ` at ${issue.path}`;
    issues.push({
      path: `${path}.example`,
      reason: `does not match the schema${where}: ${issue.reason}`,
    });
  }
  return issues;
}

async function issuesOf(schema: StandardSchemaV1, value: unknown): Promise<readonly Issue[]> {
  try {
    const { issues } = await schema["~standard"].validate(value);
    return issues === undefined ? [] : toIssues(issues, value);
  } catch (error) {
    return [{ path: "", reason: `the schema throws: ${safeError(error).message}` }];
  }
}

function entryOf(name: string, definition: AsyncEventDefinition): CatalogueEntry {
  return {
    name,
    description: definition.description ?? null,
    permissions: definition.permissions ?? [],
    schema: jsonSchemaOf(definition.schema),
    example: jsonOf(definition.example) ?? null,
    deprecated: definition.deprecated ?? false,
    hasResolver: definition.resolve !== undefined,
  };
}

/** A schema as JSON Schema, if its library can say it so. */
function jsonSchemaOf(schema: StandardSchemaV1 | undefined): JsonObject | null {
  if (!schema) return null;
  const { jsonSchema } = schema["~standard"] as StandardSchemaV1.Props &
    Partial<StandardJSONSchemaV1.Props>;
  try {
    return (jsonSchema?.input({ target: "draft-2020-12" }) as JsonObject | undefined) ?? null;
  } catch {
    // What the schema checks cannot be said in JSON Schema.
    return null;
  }
}

function jsonOf(value: unknown): JsonValue | undefined {
  try {
    const json = JSON.stringify(value) as string | undefined;
    return json === undefined ? undefined : (JSON.parse(json) as JsonValue);
  } catch {
    return undefined;
  }
}
