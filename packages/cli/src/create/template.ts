import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import type { CodeNames } from "./names.ts";

/** The contents of files, by their paths with `/` in a project. */
export type ProjectFiles = Map<string, string>;

/** The line that begins a part for some projects only. One comment marker is for code, the other for Markdown. */
const BEGIN = /^\s*(?:\/\/|<!--) @if (\S+?)(?: -->)?$/;
const END = /^\s*(?:\/\/|<!--) @end(?: -->)?$/;

/**
 * Reads a template: a folder of real files, which the compiler checks with all their parts. Lines between `// @if name`
 * and `// @end` stay if the project has what is named. `a|b` means one of them, and `!a` means none.
 *
 * @param has - What the project has.
 */
export async function readTemplate(
  folder: string,
  has: ReadonlySet<string>,
  names: CodeNames,
): Promise<ProjectFiles> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
  const files: ProjectFiles = new Map();
  for (const path of paths) {
    const text = withNames(withParts(await readFile(join(folder, path), "utf8"), has), names);
    // npm leaves a .gitignore out of packages.
    const name = path.split(sep).join("/").replace("_gitignore", ".gitignore");
    files.set(withNames(name, names), text);
  }
  return files;
}

/** Keeps the parts that the project has. Parts may stand within parts. */
export function withParts(text: string, has: ReadonlySet<string>): string {
  const kept: string[] = [];
  const open: boolean[] = [];
  for (const line of text.split("\n")) {
    const [, condition] = BEGIN.exec(line) ?? [];
    if (condition !== undefined) open.push(holds(condition, has));
    else if (END.test(line)) open.pop();
    else if (open.every(Boolean)) kept.push(line);
  }
  return (
    kept
      .join("\n")
      .replaceAll(/\n{3,}/g, "\n\n")
      // What is left of a list may fit on one line, as a formatter would write it.
      .replaceAll(/\[\n\s+([^\n]{1,80}),\n\s*\]/g, "[$1]")
  );
}

function holds(condition: string, has: ReadonlySet<string>): boolean {
  return condition
    .split("|")
    .some((name) => (name.startsWith("!") ? !has.has(name.slice(1)) : has.has(name)));
}

/** Puts the names of the project in the place of those of the template, where everything is called acme. */
function withNames(text: string, names: CodeNames): string {
  return text.replaceAll(/busbar-acme|acme(?=[A-Z])|acme/g, (word, offset: number) => {
    if (word === "busbar-acme") return names.package;
    return /[A-Z]/.test(text[offset + word.length] ?? "") ? names.camel : names.kebab;
  });
}
