// The table of contents. The sections of docs/README.md list every page but the decisions, and become the sidebar.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { filesIn, root } from "../lib.mjs";

const first = "README.md";

/**
 * The sections, and the pages that no section lists.
 *
 * @returns {{ sections: { title: string, pages: { title: string, about: string, path: string }[] }[], missing: string[] }}
 *   `path` and `missing` are relative to docs/.
 */
export function contents() {
  const text = readFileSync(join(root, "docs", first), "utf8");
  const sections = text
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      title: section.slice(0, section.indexOf("\n")),
      pages: [
        ...section.matchAll(
          /^\s*(?:[-*]|\d+\.) \[(?<title>.+?)\]\((?<path>[^)#:]+\.md)\)(?<about>.*)$/gm,
        ),
      ].map(({ groups: { title, path, about } }) => ({
        title: title.replaceAll("`", ""),
        path,
        about: about.replace(/^[:,]\s*/, ""),
      })),
    }))
    .filter(({ pages }) => pages.length > 0);
  const all = filesIn(join(root, "docs")).filter((file) => file.endsWith(".md"));
  const decisions = all.filter((file) => file.startsWith("decisions/"));
  const listed = [...sections.flatMap(({ pages }) => pages.map(({ path }) => path)), ...decisions];
  const missing = all.filter((file) => file !== first && !listed.includes(file));
  return {
    sections: [...sections, { title: "Decisions", pages: decisions.map(pageOf) }],
    missing,
  };
}

function pageOf(path) {
  const title = /^# (.+)$/m.exec(readFileSync(join(root, "docs", path), "utf8"))?.[1] ?? path;
  return { title: title.replaceAll("`", ""), path, about: "" };
}
