import type { JsonValue } from "@busbar/core/provider";
import { pathKey } from "./text.ts";

/** What the log shows instead of a value. */
const REDACTED = "[redacted]";

/**
 * Returns whether a path in a payload is hidden by the `redact` of a subscription: one of its paths, or one below it.
 * Places in arrays do not count: `lines.sku` hides that member of each line, and so does `lines.0.sku`.
 */
export function hiddenBy(redact: readonly string[]): (path: string) => boolean {
  const hidden = redact.map((path) => withoutPlaces(pathKey(path)));
  return (path) => {
    const known = withoutPlaces(path);
    return hidden.some((each) => known === each || known.startsWith(`${each}.`));
  };
}

/** Returns a payload as the log shows it. */
export function redacted(payload: JsonValue, redact: readonly string[]): JsonValue {
  if (redact.length === 0) return payload;
  const isHidden = hiddenBy(redact);
  const visit = (value: JsonValue, path: string): JsonValue => {
    if (path !== "" && isHidden(pathKey(path))) return REDACTED;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      return (value as readonly JsonValue[]).map((each) => visit(each, path));
    }
    const members = Object.entries(value as Readonly<Record<string, JsonValue>>);
    return Object.fromEntries(
      members.map(([name, member]) => [
        name,
        visit(member, path === "" ? name : `${path}.${name}`),
      ]),
    );
  };
  return visit(payload, "");
}

/** A path without numbers: members that are called by one are hidden with what is around them. */
function withoutPlaces(path: string): string {
  return path.replaceAll(/\.\d+(?=\.|$)/g, "");
}
