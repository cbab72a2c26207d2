// What programs read: llms.txt lists the pages of docs/ (https://llmstxt.org) and links to their Markdown, and
// llms-full.txt holds the text of all.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib.mjs";
import { base } from "./versions.mjs";

const docs = join(root, "docs");

/** Writes both into a folder, next to the Markdown. Of decisions, llms-full.txt has no text. */
export function writeLlmsTexts(folder, sections) {
  cpSync(docs, folder, { recursive: true, filter: (path) => !path.endsWith(".png") });
  const { description } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const list = sections.map(({ title, pages }) =>
    [
      `## ${title}\n`,
      ...pages.map((it) => `- [${it.title}](${base}${it.path})${it.about && `: ${it.about}`}`),
    ].join("\n"),
  );
  writeFileSync(
    join(folder, "llms.txt"),
    `${["# Busbar", `> ${description}`, ...list].join("\n\n")}\n`,
  );
  const texts = sections
    .filter(({ title }) => title !== "Decisions")
    .flatMap(({ pages }) => pages)
    .map(({ path }) => `<!-- ${path} -->\n\n${readFileSync(join(docs, path), "utf8")}`);
  writeFileSync(join(folder, "llms-full.txt"), texts.join("\n"));
}
