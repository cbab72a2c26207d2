import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect } from "vitest";
import {
  createRestHandler,
  type RestHandler,
  type RestOptions,
} from "../../../src/rest/rest-handler.ts";
import { type MemoryServices, memoryServices } from "./memory-services.ts";

/** A token that is allowed everything. */
export const TOKEN = "a-token-for-everything";

/** A request, and what of it differs from a usual one. */
export interface Call {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string | Uint8Array<ArrayBuffer> | undefined;
  /** Null: no credentials. */
  readonly token?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** An answer. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of any shape.
  readonly body: any;
}

/** Sends requests to a handler, and compares each answer with the OpenAPI document of the handler. */
export interface Client {
  readonly services: MemoryServices;
  readonly handler: RestHandler;
  call(method: string, path: string, call?: Call): Promise<Reply>;
}

/** The same for all clients: a document takes long to read. */
let documented: ReturnType<typeof documentedBy> | undefined;

/** The OpenAPI document of a handler. */
export async function documentOf(handler: RestHandler, base = "http://api.test"): Promise<unknown> {
  return (await handler(new Request(`${base}/openapi.json`))).json();
}

/** A client of a handler on services in memory. */
export async function createClient(options: RestOptions = {}): Promise<Client> {
  const services = memoryServices();
  const handler = createRestHandler(services, {
    tokens: [
      { name: "admin", token: TOKEN, permissions: ["webhooks", "customers.read"] },
      ...(options.tokens ?? []),
    ],
    ...(options.authenticate && { authenticate: options.authenticate }),
    basePath: options.basePath,
    mageOs: options.mageOs,
  });
  const base = `http://api.test${options.basePath ?? ""}`;
  documented ??= documentedBy((await documentOf(handler, base)) as Document);
  const assertDocumented = documented;
  return {
    services,
    handler,
    async call(method, path, { body, text, token = TOKEN, headers } = {}) {
      const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
      const request = new Request(base + path, {
        method,
        headers: {
          ...(content !== undefined && { "content-type": "application/json" }),
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(content !== undefined && { body: content }),
      });
      const reply = await replyOf(await handler(request));
      assertDocumented(method, path, reply);
      return reply;
    },
  };
}

async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text();
  const isJson = /json\b(?!-seq)/.test(response.headers.get("content-type") ?? "") && text !== "";
  const lines = response.headers.get("content-type") === "application/x-ndjson";
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && !lines ? (JSON.parse(text) as unknown) : undefined,
  };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, unknown>>; readonly $ref?: string }>
  >;
}

/** Checks that an answer is as the document says. */
function documentedBy(document: Document): (method: string, path: string, reply: Reply) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "api");
  const validators: Record<string, ValidateFunction> = {};
  const templates = Object.keys(document.paths)
    // Those without parameters come first.
    .toSorted((a, b) => a.split("{").length - b.split("{").length)
    .map((template) => ({
      template,
      pattern: new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    }));
  return (method, path, { status, headers, body }) => {
    const [pathname = ""] = path.split("?");
    const template = templates.find(({ pattern }) => pattern.test(pathname))?.template;
    const operation =
      template === undefined ? undefined : document.paths[template]![method.toLowerCase()];
    if (!operation || status === 304) return;
    const response = operation.responses[status];
    expect(response, `${method} ${template} answers ${status}`).toBeDefined();
    const type = (headers.get("content-type") ?? "").split(";")[0]!;
    const place = [
      "paths",
      template!,
      method.toLowerCase(),
      "responses",
      String(status),
      "content",
      type,
      "schema",
    ].map((step) => encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1")));
    if (body === undefined) return;
    const reference =
      response!.$ref === undefined ? `api#/${place.join("/")}` : "api#/components/schemas/Problem";
    const validate = (validators[reference] ??= ajv.compile({ $ref: reference }));
    expect(validate(body), JSON.stringify(validate.errors)).toBe(true);
  };
}
