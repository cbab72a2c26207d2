import { ILL_FORMED } from "./arguments.ts";

const MAX_LENGTH = 255;

/** The name behind a string or a symbol. A symbol stands for its description. */
export function nameOf(name: string | symbol): string {
  if (typeof name !== "symbol") return name;
  if (!name.description) throw new TypeError("A symbol without a description names no event");
  return name.description;
}

/** What is wrong with the name of an event, if anything. */
export function checkEventName(name: unknown): string | undefined {
  const reason = checkSelector(name);
  if (reason === undefined && (name as string).includes("*")) {
    return "must not contain *, which is for patterns";
  }
  return reason;
}

/** What is wrong with what should be the name of an event or a pattern, but for its asterisks. */
export function checkSelector(name: unknown): string | undefined {
  if (typeof name !== "string") return "must be a string, such as order.placed";
  if (name === "") return "must not be empty";
  if (name.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  if (/[\s\p{Cc}]/u.test(name)) return "must not contain spaces or control characters";
  if (!name.isWellFormed()) return ILL_FORMED;
  return undefined;
}

/** Past this many names, those that were found to be fine are forgotten: names may be dynamic. */
const MAX_REMEMBERED = 1000;

/** Makes a {@link checkEventName} that remembers the names it has found nothing wrong with. */
export function createNameCheck(): typeof checkEventName {
  const fine = new Set<unknown>();
  let last: unknown;
  return (name) => {
    if (last !== undefined && name === last) return undefined;
    const reason = fine.has(name) ? undefined : checkEventName(name);
    if (reason === undefined) {
      if (fine.size >= MAX_REMEMBERED) fine.clear();
      fine.add(name);
      last = name;
    }
    return reason;
  };
}
