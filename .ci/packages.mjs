// Packs every published package as npm would get it, and lets publint and attw look at it. A manifest says who made
// the package and what for, and Markdown pages refer only to files that a user has: those of the same tarball, and
// the documentation, which is in the tarball of core.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { filesIn, finish, run } from "./lib.mjs";
import { linksIn } from "./markdown.mjs";
import { packPackages } from "./tarballs.mjs";

const packages = await packPackages("packed");
const docs = join(
  packages.find(({ manifest }) => manifest.name === "@busbar/core").content,
  "docs",
);
const problems = (await Promise.all(packages.map(check))).flat();
finish(problems, `${packages.length} packages`);

async function check({ manifest, tarball, content }) {
  const found = [];
  for (const [command, ...args] of [
    ["publint", "--strict"],
    ["attw", "--profile", "esm-only", "--no-emoji", "--format", "ascii"],
  ]) {
    const result = await run(command, [tarball, ...args]);
    if (result.code !== 0) found.push(`${command}\n${result.output}`);
  }
  for (const key of ["description", "license", "author", "keywords", "engines"]) {
    if (manifest[key] === undefined) found.push(`package.json has no ${key}`);
  }
  for (const page of filesIn(content).filter((file) => file.endsWith(".md"))) {
    found.push(...notFound(join(content, page), content).map((it) => `${page}: ${it}`));
  }
  return found.map((problem) => `${manifest.name}: ${problem}`);
}

/** The links of a page, and the pages that a README names in words, that lead to nothing. */
function notFound(page, content) {
  const text = readFileSync(page, "utf8");
  const links = linksIn(text).filter(({ target }) => {
    const file = resolve(dirname(page), decodeURI(target.split("#")[0]));
    return !`${file}${sep}`.startsWith(content + sep) || !existsSync(file);
  });
  const named = /`((?:tutorials|how-to|reference|explanation)\/[\w./-]+\.md)`/g;
  const names = [...text.matchAll(named)].map(([, name]) => name);
  return [
    ...links.map(({ target, line }) => `line ${line}: ${target} is not in the tarball`),
    ...names
      .filter((name) => !existsSync(join(docs, name)))
      .map((name) => `${name} is not in the documentation`),
  ];
}
