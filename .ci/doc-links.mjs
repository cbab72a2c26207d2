// Every relative link and image of the Markdown pages leads to a file, and every anchor to a heading. Pages in docs/
// are published with core, so they link to each other only. No file refers to a numbered section of a document that
// readers do not have.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { filesIn, finish, pages, root } from "./lib.mjs";
import { anchorsIn, linksIn } from "./markdown.mjs";

/** Headings of pages have no numbers here, so a number means another document. That of an RFC is public. */
const elsewhere =
  /\bdesign\.md\b|\b(?:design|guarantees?) (?:section )?\d|(?<!RFC \d+, )\bsections? \d|\u00A7/i;

const problems = [];
const anchorsOfFile = new Map();
let count = 0;

for (const page of pages()) {
  for (const { target, line } of linksIn(readFileSync(join(root, page), "utf8"))) {
    count += 1;
    const problem = check(page, target);
    if (problem) problems.push(`${page}:${line}: ${target}: ${problem}`);
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

function check(page, target) {
  if (target.startsWith("/")) return "starts with /: write it relative to the page";
  const [path, anchor] = target.split("#", 2);
  const file = path === "" ? join(root, page) : resolve(root, dirname(page), decodeURI(path));
  if (!existsSync(file)) return "no such file";
  if (relative(root, file).startsWith("..")) return "leaves the repository";
  if (page.startsWith("docs/") && relative(join(root, "docs"), file).startsWith("..")) {
    return "leaves docs/, which is published without the rest: say in words where it is";
  }
  if (!anchor || !file.endsWith(".md") || statSync(file).isDirectory()) return undefined;
  return anchorsOf(file).has(anchor) ? undefined : "no such heading";
}

function anchorsOf(file) {
  const known = anchorsOfFile.get(file) ?? anchorsIn(readFileSync(file, "utf8"));
  anchorsOfFile.set(file, known);
  return known;
}
