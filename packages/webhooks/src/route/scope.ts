import { PermanentError } from "@busbar/core";

/** Characters that a scope may have. */
const LONGEST_SCOPE = 255;

/** What is wrong with the scope of an event, if anything. */
export function checkScope(scope: unknown): string | undefined {
  if (typeof scope === "number" && Number.isFinite(scope)) return undefined;
  const isText =
    typeof scope === "string" &&
    scope !== "" &&
    scope.length <= LONGEST_SCOPE &&
    !/\p{Cc}/u.test(scope) &&
    scope.isWellFormed();
  return isText
    ? undefined
    : `must be a number or a string of 1 to ${LONGEST_SCOPE} characters without control characters`;
}

/**
 * The scope in the metadata of an event. A number is a scope as well, such as the id of a shop.
 *
 * @throws PermanentError when it cannot be one.
 */
export function scopeOf(scope: unknown): string | null {
  if (scope === undefined || scope === null) return null;
  const reason = checkScope(scope);
  if (reason !== undefined) throw new PermanentError(`metadata.scope ${reason}`);
  return `${scope as string | number}`;
}
