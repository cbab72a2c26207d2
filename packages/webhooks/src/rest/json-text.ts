/** Levels of nesting that a body may have: whatever walks through it needs no more stack than for this. */
const MAX_DEPTH = 64;

/** Where a JSON text cannot be read, and why. */
export interface JsonFault {
  /** Counts from 0, in UTF-16 units. */
  readonly offset: number;
  /** Such as `"," or "}" is expected`. */
  readonly reason: string;
}

/** A value of a JSON text, or what is wrong with the text. */
export type ParsedJson =
  | { readonly value: unknown; readonly fault?: undefined }
  | { readonly value?: undefined; readonly fault: JsonFault };

/**
 * Parses a JSON text. What `JSON.parse` says about a mistake differs between releases of Node.js, and may have no
 * position: so the mistake is found by reading the text once more.
 */
export function parseJson(text: string): ParsedJson {
  const tooDeep = depthFault(text);
  if (tooDeep) return { fault: tooDeep };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { fault: syntaxFault(text) };
  }
}

/** Line and column of an offset, both from 1. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}

function depthFault(text: string): JsonFault | undefined {
  let depth = 0;
  let inString = false;
  for (let offset = 0; offset < text.length; offset += 1) {
    const character = text[offset];
    if (inString) {
      if (character === "\\") offset += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") {
      depth += 1;
      if (depth > MAX_DEPTH) return { offset, reason: `more than ${MAX_DEPTH} levels are nested` };
    } else if (character === "}" || character === "]") depth -= 1;
  }
  return undefined;
}

/** What may come next in a JSON text. */
type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or end" | "nothing";

const REASONS: Readonly<Record<Expected, string>> = {
  value: "a value is expected",
  "value or ]": 'a value or "]" is expected',
  key: "a name in double quotes is expected",
  "key or }": 'a name in double quotes or "}" is expected',
  colon: '":" is expected',
  "comma or end": '"," or the end of the object or array is expected',
  nothing: "the end of the text is expected",
};

const SPACE = /[ \t\n\r]*/u;
const STRING = /"(?:[^"\\\p{Cc}]|[\u007F-\u009F]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*/u;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?|true|false|null)(?![\w.+-])/u;

/** Where a text that is no JSON stops being JSON. */
function syntaxFault(text: string): JsonFault {
  const open: string[] = [];
  let offset = 0;
  let expected: Expected = "value";
  for (;;) {
    offset = endOf(SPACE, text, offset) ?? offset;
    const character = text[offset];
    const fault: JsonFault = { offset, reason: REASONS[expected] };
    if (character === undefined) return fault;
    if (character === '"' && expected !== "comma or end") {
      if (expected === "colon" || expected === "nothing") return fault;
      const end = endOf(STRING, text, offset)!;
      if (text[end] !== '"')
        return { offset: end, reason: "the string is not ended, or is malformed" };
      offset = end + 1;
      expected = expected.startsWith("key") ? "colon" : afterValue(open);
    } else if (expected.startsWith("value") && (character === "{" || character === "[")) {
      open.push(character);
      offset += 1;
      expected = character === "{" ? "key or }" : "value or ]";
    } else if (isEnd(character, expected, open)) {
      open.pop();
      offset += 1;
      expected = afterValue(open);
    } else if (character === ":" && expected === "colon") {
      offset += 1;
      expected = "value";
    } else if (character === "," && expected === "comma or end") {
      offset += 1;
      expected = open.at(-1) === "{" ? "key" : "value";
    } else {
      const end = expected.startsWith("value") ? endOf(SCALAR, text, offset) : undefined;
      if (end === undefined) return fault;
      offset = end;
      expected = afterValue(open);
    }
  }
}

function afterValue(open: readonly string[]): Expected {
  return open.length === 0 ? "nothing" : "comma or end";
}

function isEnd(character: string, expected: Expected, open: readonly string[]): boolean {
  const ends =
    expected === "comma or end" || expected === (open.at(-1) === "{" ? "key or }" : "value or ]");
  return ends && character === (open.at(-1) === "{" ? "}" : "]");
}

/** Where a match that begins at an offset ends. */
function endOf(pattern: RegExp, text: string, offset: number): number | undefined {
  const sticky = new RegExp(pattern.source, "uy");
  sticky.lastIndex = offset;
  return sticky.test(text) ? sticky.lastIndex : undefined;
}
