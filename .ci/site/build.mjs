// Builds the documentation site in .cache/site/dist: the pages of docs/, the reference of the API, the benchmarks, and
// llms.txt. Then follows each link of what was built. With --serve it serves the site afterwards.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, serve } from "vitepress";
import { filesIn, finish, root } from "../lib.mjs";
import { writeApi } from "../typedoc/write-api.mjs";
import { writeBenchmarks } from "./benchmarks.mjs";
import { brokenLinks } from "./built-links.mjs";
import { contents } from "./contents.mjs";
import { entries } from "./entries.mjs";
import { writeLlmsTexts } from "./llms.mjs";
import { writeReleases } from "./releases.mjs";
import { base } from "./versions.mjs";

const site = join(root, ".ci/site");
const folder = join(root, ".cache/site");
const pages = join(folder, "pages");
const dist = join(folder, "dist");

rmSync(folder, { recursive: true, force: true });
mkdirSync(pages, { recursive: true });

const problems = [];
const { sections, missing } = contents();
problems.push(...missing.map((page) => `docs/README.md does not link to docs/${page}`));

copyPages();
writeFileSync(join(pages, "decisions/index.md"), listOf(sections.at(-1)));
await writeApi(join(pages, "reference/api"), join(root, "packages"), entries());
writeBenchmarks(join(pages, "benchmarks.md"));
await writeReleases(join(pages, "releases.md"));
writeLlmsTexts(join(pages, "public"), sections);

// VitePress writes its progress to the console.
const written = [];
const { log } = console;
console.log = (...words) => written.push(words.join(" "));
await build(site).catch((error) => problems.push(error.message, ...written));
console.log = log;
if (problems.length === 0) problems.push(...brokenLinks(dist, base));

const count = filesIn(dist).filter((file) => file.endsWith(".html")).length;
finish(problems, `${count} pages in .cache/site/dist`);
if (process.argv.includes("--serve")) await serve({ root: site });

/** Copies docs/. On GitHub, the first page is README.md, and on the site it is the index. */
function copyPages() {
  for (const file of filesIn(join(root, "docs"))) {
    const target = join(pages, file === "README.md" ? "index.md" : file);
    mkdirSync(dirname(target), { recursive: true });
    if (!file.endsWith(".md")) {
      cpSync(join(root, "docs", file), target);
      continue;
    }
    const text = readFileSync(join(root, "docs", file), "utf8");
    writeFileSync(target, text.replaceAll(/\]\(((?:\.\.\/)*)README\.md(?=[#)])/g, "]($1index.md"));
  }
}

/** On GitHub, the folder lists the decisions. */
function listOf({ title, pages: decisions }) {
  const lines = decisions.map((it) => `- [${it.title}](/${it.path})`);
  return `# ${title}\n\n${lines.join("\n")}\n`;
}
