import { z } from "zod";
import { PERMISSIONS } from "./permissions.ts";
import { type ProblemCode, PROBLEMS } from "./problem.ts";
import { MERGE_PATCH } from "./rest-app.ts";
import type { AnyRoute, RouteResponse } from "./route.ts";
import { problemSchema } from "./schemas.ts";

/** A part of a document of JSON. */
type Part = { [name: string]: unknown };

/**
 * Makes the OpenAPI 3.1 document of routes, from the same schemas that check requests.
 *
 * @param version The version of the package.
 */
export function openApiDocument(routes: readonly AnyRoute[], version: string): Part {
  const components = new Components();
  const paths: Record<string, Part> = {};
  for (const it of routes) {
    (paths[it.path] ??= {})[it.method.toLowerCase()] = operationOf(it, components);
  }
  const problem = components.reference(problemSchema, "output");
  return {
    openapi: "3.1.0",
    info: {
      title: "Busbar webhooks",
      version,
      description: descriptionOf(),
      license: { name: "MIT", identifier: "MIT" },
    },
    // Relative to this document, so that it is right below any prefix.
    servers: [{ url: "." }],
    paths,
    components: {
      schemas: components.schemas,
      responses: Object.fromEntries(
        Object.entries(PROBLEMS).map(([code, [, title]]) => [
          code,
          {
            description: title,
            content: { "application/problem+json": { schema: problem } },
          },
        ]),
      ),
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

function descriptionOf(): string {
  const rows = Object.entries(PERMISSIONS).map(([name, what]) => `- \`${name}\`: ${what}`);
  return `Permissions, each of which includes those whose names continue its name:\n\n${rows.join("\n")}`;
}

function operationOf(it: AnyRoute, components: Components): Part {
  const isPublic = it.permission === "public";
  const description = [
    it.description,
    isPublic
      ? "Needs no credentials."
      : it.permission === "any"
        ? "Needs any permission."
        : `Needs the permission \`${it.permission}\`.`,
  ];
  return {
    operationId: it.id,
    tags: [it.tag],
    summary: it.summary,
    description: description.filter((line) => line !== undefined).join("\n\n"),
    security: isPublic ? [] : [{ bearer: [] }],
    parameters: parametersOf(it, components),
    ...(it.body && { requestBody: requestBodyOf(it, it.body, components) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(it.responses).map(([status, response]) => [
          status,
          responseOf(response, components),
        ]),
      ),
      ...problemsOf(it),
    },
  };
}

function parametersOf(it: AnyRoute, components: Components): readonly Part[] {
  const from = (place: "path" | "query", schema: z.ZodObject | undefined): Part[] =>
    Object.entries(schema?.shape ?? {}).map(([name, member]) => {
      const { description, ...its } = components.inline(member);
      return {
        name,
        in: place,
        required: place === "path" || !member.safeParse(undefined).success,
        ...(description !== undefined && { description }),
        schema: its,
      };
    });
  const headers: [string, string, boolean][] = [
    [
      "If-Match",
      "The version that is meant, as its entity tag. Another one is refused.",
      it.ifMatch === true,
    ],
    [
      "Idempotency-Key",
      "Chosen by the client, for this request only. A repeat within a day gets the first answer again.",
      it.method === "POST" && it.permission !== "public",
    ],
  ];
  return [
    ...from("path", it.params),
    ...from("query", it.query),
    ...Object.entries(it.freeQuery ?? {}).map(([name, description]) => ({
      name,
      in: "query",
      description,
      style: "deepObject",
      explode: true,
      schema: { type: "object", additionalProperties: true },
    })),
    ...headers
      .filter(([, , has]) => has)
      .map(([name, description]) => ({
        name,
        in: "header",
        description,
        schema: { type: "string" },
      })),
  ];
}

function requestBodyOf(it: AnyRoute, body: z.ZodType, components: Components): Part {
  const schema = components.reference(body, "input");
  return {
    required: it.bodyOptional !== true,
    content: {
      "application/json": { schema },
      ...(it.mergePatch === true && { [MERGE_PATCH]: { schema: { type: "object" } } }),
    },
  };
}

function responseOf(response: RouteResponse, components: Components): Part {
  const { schema, headers } = response;
  return {
    description: response.description,
    ...(headers && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [
          name,
          { description, schema: { type: "string" } },
        ]),
      ),
    }),
    ...(schema && {
      content: Object.fromEntries(
        (response.mediaTypes ?? ["application/json"]).map((type) => [
          type,
          { schema: components.reference(schema, "output") },
        ]),
      ),
    }),
  };
}

/** The problems that a route may answer with. Of several with one status, the first stands for all. */
function problemsOf(it: AnyRoute): Part {
  const has: [ProblemCode, boolean][] = [
    ["invalid-parameter", true],
    ["unauthenticated", it.permission !== "public"],
    ["forbidden", it.permission !== "public"],
    ["not-found", it.params !== undefined],
    ["conflict", it.method !== "GET"],
    ["version-mismatch", it.ifMatch === true],
    ["body-too-large", it.body !== undefined],
    ["unsupported-media-type", it.body !== undefined],
    ["invalid-body", it.body !== undefined],
    ["internal", true],
    ["unavailable", true],
  ];
  return Object.fromEntries(
    has
      .filter(([, may]) => may)
      .map(([code]) => [String(PROBLEMS[code][0]), { $ref: `#/components/responses/${code}` }]),
  );
}

/** The schemas that have a name, each once. */
class Components {
  readonly schemas: Record<string, unknown> = {};

  /** A schema, or the reference to it if it has a name. */
  reference(schema: z.ZodType, io: "input" | "output"): Part {
    // Within another one, a schema with a name is always a reference.
    const wrapped = z.toJSONSchema(z.object({ value: schema }), {
      io,
      unrepresentable: "any",
    }) as unknown as Part & { properties: { value: Part }; $defs?: Part };
    for (const [name, definition] of Object.entries(wrapped.$defs ?? {})) {
      if (name.startsWith("__")) continue;
      this.schemas[name] ??= this.#moved(definition, wrapped.$defs!);
    }
    return this.#moved(wrapped.properties.value, wrapped.$defs ?? {}) as Part;
  }

  /** A schema that has no name. */
  inline(schema: z.core.$ZodType): Part {
    return this.reference(schema as z.ZodType, "input");
  }

  /** A schema whose references lead to the components. */
  #moved(schema: unknown, definitions: Part): unknown {
    if (Array.isArray(schema)) return schema.map((item) => this.#moved(item, definitions));
    if (typeof schema !== "object" || schema === null) return schema;
    const { $ref, ...others } = schema as Part;
    const name = typeof $ref === "string" ? $ref.replace("#/$defs/", "") : undefined;
    // What has no name is JSON of any kind, which refers to itself.
    if (name?.startsWith("__")) return {};
    const members = Object.fromEntries(
      Object.entries(others)
        .filter(([member]) => member !== "id" || typeof others[member] !== "string")
        .map(([member, value]) => [member, this.#moved(value, definitions)]),
    );
    return name === undefined ? members : { $ref: `#/components/schemas/${name}`, ...members };
  }
}
