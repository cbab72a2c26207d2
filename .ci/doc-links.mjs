// Every relative link and image of the Markdown pages leads to a file, and every anchor to a heading. No file
// refers to a numbered section of a document that readers do not have.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { filesIn, finish, pages, root } from "./lib.mjs";

/** Headings of pages have no numbers here, so a number means another document. That of an RFC is public. */
const elsewhere =
  /\bdesign\.md\b|\b(?:design|guarantees?) (?:section )?\d|(?<!RFC \d+, )\bsections? \d|\u00A7/i;

const problems = [];
const anchorsOfFile = new Map();
let count = 0;

for (const page of pages()) {
  const lines = proseOf(page);
  for (const [index, line] of lines.entries()) {
    for (const target of targetsIn(line)) {
      count += 1;
      const problem = check(page, target);
      if (problem) problems.push(`${page}:${index + 1}: ${target}: ${problem}`);
    }
  }
}
for (const file of [
  "README.md",
  ...filesBelow("docs", "packages", "examples", ".ci", ".changeset"),
]) {
  if (!/\.(?:md|[cm]?[jt]s|json|txt|prisma|ya?ml)$/.test(file)) continue;
  for (const [index, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
    const reference = elsewhere.exec(line)?.[0];
    if (reference)
      problems.push(`${file}:${index + 1}: "${reference}" is in no page of the repository`);
  }
}
finish(problems, `${count} links in ${pages().length} pages`);

function filesBelow(...folders) {
  return folders.flatMap((folder) =>
    filesIn(join(root, folder)).map((file) => `${folder}/${file}`),
  );
}

/** A page's lines, with code emptied so that line numbers stay. */
function proseOf(page) {
  let fence;
  return readFileSync(join(root, page), "utf8")
    .split("\n")
    .map((line) => {
      const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
      if (fence === undefined && mark !== undefined) {
        fence = mark;
        return "";
      }
      if (fence === undefined) return line;
      if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
      return "";
    });
}

/** Targets of `[text](target)`, `[name]: target`, and `href`/`src` attributes. */
function targetsIn(prose) {
  const line = prose.replaceAll(/(`+)(?:(?!\1).)+\1/g, (code) => "x".repeat(code.length));
  const inline = line.matchAll(/\]\(\s*<?([^\s)>]+)>?(?:\s+["'][^)]*)?\s*\)/g);
  const definition = line.matchAll(/^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/g);
  const attribute = line.matchAll(/\b(?:href|src)="([^"]+)"/g);
  return [...inline, ...definition, ...attribute]
    .map((match) => match[1])
    .filter((target) => !/^[a-z][a-z+.-]*:|^\/\//i.test(target));
}

function check(page, target) {
  if (target.startsWith("/")) return "starts with /: write it relative to the page";
  const [path, anchor] = target.split("#", 2);
  const file = path === "" ? join(root, page) : resolve(root, dirname(page), decodeURI(path));
  if (!existsSync(file)) return "no such file";
  if (relative(root, file).startsWith("..")) return "leaves the repository";
  if (!anchor || !file.endsWith(".md") || statSync(file).isDirectory()) return undefined;
  return anchorsOf(relative(root, file)).has(anchor) ? undefined : "no such heading";
}

/** The anchors GitHub gives to a page's headings, and the ones written as `id` or `name`. */
function anchorsOf(page) {
  const known = anchorsOfFile.get(page);
  if (known) return known;
  const anchors = new Set();
  for (const line of proseOf(page)) {
    for (const [, name] of line.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(name);
    const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
      .replaceAll(" ", "-");
    let unique = slug;
    for (let n = 1; anchors.has(unique); n += 1) unique = `${slug}-${n}`;
    anchors.add(unique);
  }
  anchorsOfFile.set(page, anchors);
  return anchors;
}
