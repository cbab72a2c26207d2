// What programs read: llms.txt lists the pages of docs/ (https://llmstxt.org), and llms-full.txt holds their text.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib.mjs";

/** Writes both into a folder. Decisions are listed, and their text is left out. */
export function writeLlmsTexts(folder, sections) {
  mkdirSync(folder, { recursive: true });
  const { description } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const list = sections.map(({ title, pages }) =>
    [
      `## ${title}\n`,
      ...pages.map((page) => `- [${page.title}](/${page.path})${page.about && `: ${page.about}`}`),
    ].join("\n"),
  );
  writeFileSync(
    join(folder, "llms.txt"),
    `${["# Busbar", `> ${description}`, ...list].join("\n\n")}\n`,
  );
  const texts = sections
    .filter(({ title }) => title !== "Decisions")
    .flatMap(({ pages }) => pages)
    .map(({ path }) => `<!-- ${path} -->\n\n${readFileSync(join(root, "docs", path), "utf8")}`);
  writeFileSync(join(folder, "llms-full.txt"), texts.join("\n"));
}
