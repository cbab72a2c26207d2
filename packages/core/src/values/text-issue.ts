/** Why text is refused that has half of a surrogate pair: it is no character, and stores refuse or change it. */
export const ILL_FORMED = "must be well-formed, without half of a surrogate pair";

/** What is wrong with what should be a string of 1 to `maxLength` characters, if anything. */
export function textIssue(value: unknown, maxLength: number): string | undefined {
  if (typeof value !== "string" || value.length < 1 || value.length > maxLength) {
    return `must be a string of 1 to ${maxLength} characters`;
  }
  return value.isWellFormed() ? undefined : ILL_FORMED;
}
