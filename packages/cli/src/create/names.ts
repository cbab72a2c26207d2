import { basename } from "node:path";

/** The names by which the code of a project calls things. */
export interface CodeNames {
  /** The name of the package, such as `@acme/busbar-big-queue`. */
  readonly package: string;
  /** The name in texts and files: `big-queue`. */
  readonly kebab: string;
  /** The beginning of identifiers: `bigQueue`. */
  readonly camel: string;
}

/** As npm wants it: a scope may stand before the name. */
const PACKAGE_NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const LONGEST_NAME = 214;

/** Why a text cannot be the name of a package. Undefined if it can. */
export function packageNameProblem(name: string): string | undefined {
  if (name.length > LONGEST_NAME) return `must have at most ${LONGEST_NAME} characters`;
  if (!PACKAGE_NAME.test(name)) {
    return "must consist of lower-case letters, digits, hyphens, dots and underscores, begin with a letter or a digit, and may have a scope, such as @acme/shop";
  }
  if (name === "node_modules" || name === "favicon.ico") return "is a name that npm does not allow";
  if (codeNames(name).kebab === "") return "must have a letter, because the code is named after it";
  return undefined;
}

/** Returns the name for the package of a folder. The text is empty if the folder has no letter that it can use. */
export function packageNameOf(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-");
  return name.replace(/^[^a-z0-9]+/, "").replace(/-+$/, "");
}

/** Derives the names of code from that of a package: without its scope, and without `busbar`. */
export function codeNames(packageName: string): CodeNames {
  const words = packageName
    .slice(packageName.indexOf("/") + 1)
    .split(/[^a-z0-9]+/)
    .filter((word) => !["", "busbar", "provider", "notifier"].includes(word));
  // An identifier does not begin with a digit.
  while (words.length > 0 && /^\d/.test(words[0]!)) words.push(words.shift()!.replace(/^\d+/, ""));
  const named = words.filter((word) => word !== "");
  const capitalized = named.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
  return {
    package: packageName,
    kebab: named.join("-"),
    camel: capitalized === "" ? "" : capitalized[0]!.toLowerCase() + capitalized.slice(1),
  };
}
