/**
 * The error of a query that cannot be read, or that asks for something unknown. It names the place.
 *
 * Its `name` is `LuceneError`: compare that with {@link isLuceneError}, which works across copies of the package.
 */
export class LuceneError extends Error {
  /** Always `LuceneError`. */
  override readonly name = "LuceneError";
  /** The place of the fault in the query, in UTF-16 code units from 0. The length of the query for its end. */
  readonly offset: number;
  /** The line of the fault, from 1. */
  readonly line: number;
  /** The column of the fault in its line, from 1. */
  readonly column: number;
  /** What would be right at this place, each in a few words. Empty if nothing would. */
  readonly expected: readonly string[];

  /**
   * @param problem What is wrong, as a sentence without a place and without a period.
   */
  constructor(problem: string, query: string, offset: number, expected: readonly string[] = []) {
    const before = query.slice(0, offset).split("\n");
    const line = before.length;
    const column = (before[line - 1]?.length ?? 0) + 1;
    const place = line === 1 ? `at position ${column}` : `at line ${line}, position ${column}`;
    super(`${problem}, ${place}${expected.length === 0 ? "" : `: expected ${either(expected)}`}`);
    this.offset = offset;
    this.line = line;
    this.column = column;
    this.expected = expected;
  }
}

/** Whether a value is a {@link LuceneError}, of any copy of this package. */
export function isLuceneError(value: unknown): value is LuceneError {
  return value instanceof Error && value.name === "LuceneError";
}

function either(choices: readonly string[]): string {
  const last = choices.at(-1) ?? "";
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(", ")} or ${last}`;
}
