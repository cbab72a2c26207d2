import { placeOf, parseJson } from "./json-text.ts";
import { type Fault, pointerOf, Problem, wrongBody } from "./problem.ts";

/** Bytes that a body may have. */
const MAX_BODY_BYTES = 262_144;

/** A body as it came. */
export interface RawBody {
  /** The text. Empty if there is no body. */
  readonly text: string;
  /** The value of the text. Undefined if there is no body. */
  readonly value: unknown;
}

/** Which bodies a resource takes. */
export interface BodyRules {
  /** The media types, the usual one first. */
  readonly mediaTypes: readonly string[];
  /** Whether there may be no body. */
  readonly optional: boolean;
}

/**
 * Reads the body of a request as JSON.
 *
 * @throws Problem when it is too large (413), of another type (415), or no JSON (400, with the position).
 */
export async function readJsonBody(request: Request, rules: BodyRules): Promise<RawBody> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw unsupported("content-encoding", "must be identity: compressed bodies are not read");
  }
  const bytes = await readBytes(request);
  if (bytes.length === 0) {
    if (rules.optional) return { text: "", value: undefined };
    throw new Problem("invalid-json", "The body is empty: it must be a JSON object", {
      errors: [{ pointer: "#", position: 0, detail: "a value is expected" }],
    });
  }
  assertMediaType(request, rules.mediaTypes);
  const text = decode(bytes);
  const { value, fault } = parseJson(text);
  if (fault) {
    const { line, column } = placeOf(text, fault.offset);
    throw new Problem("invalid-json", `Line ${line}, column ${column}: ${fault.reason}`, {
      errors: [{ pointer: "#", position: fault.offset, detail: fault.reason }],
    });
  }
  const faults = textFaults(value, []);
  if (faults.length > 0) throw wrongBody(faults);
  return { text, value };
}

function assertMediaType(request: Request, mediaTypes: readonly string[]): void {
  const [type = "", ...parameters] = (request.headers.get("content-type") ?? "")
    .split(";")
    .map((part) => part.trim().toLowerCase());
  if (!mediaTypes.includes(type)) {
    throw unsupported("content-type", `must be ${mediaTypes.join(" or ")}`, {
      "accept-post": mediaTypes.join(", "),
    });
  }
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8);
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) {
    throw unsupported("content-type", "must have the charset utf-8");
  }
}

function unsupported(header: string, detail: string, headers?: Record<string, string>): Problem {
  return new Problem("unsupported-media-type", `Header ${header}: ${detail}`, {
    errors: [{ header, detail }],
    headers,
  });
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = new Problem("body-too-large", `The body has more than ${MAX_BODY_BYTES} bytes`, {
    errors: [{ pointer: "#", detail: `must have at most ${MAX_BODY_BYTES} bytes` }],
  });
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Problem("invalid-json", "The body has ended before its time");
    });
    if (done) return Buffer.concat(chunks);
    length += value.byteLength;
    if (length > MAX_BODY_BYTES) {
      void reader.cancel().catch(() => undefined);
      throw tooLarge;
    }
    chunks.push(value);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Problem("invalid-json", "The body is not UTF-8", {
      errors: [{ pointer: "#", detail: "must be UTF-8" }],
    });
  }
}

/** Texts with the character NUL, which PostgreSQL does not store. */
function textFaults(value: unknown, path: readonly PropertyKey[]): Fault[] {
  if (typeof value === "string") {
    return value.includes("\0")
      ? [{ pointer: pointerOf(path), detail: "must not have the character U+0000" }]
      : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key.includes("\0")
      ? [{ pointer: pointerOf(path), detail: "must not have the character U+0000 in a name" }]
      : textFaults(member, [...path, key]),
  );
}
