import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { root } from "../../lib.mjs";
import { slugOf } from "../../markdown.mjs";
import { contents } from "../contents.mjs";
import { entries } from "../entries.mjs";
import { base, version, versionLinks } from "../versions.mjs";

const { description } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { sections } = contents();
const apart = ["Decisions", "Contributing"];

const sectionOf = ({ title, pages }) => ({
  text: title,
  collapsed: apart.includes(title),
  items: pages.map((page) => ({ text: page.title, link: linkOf(page.path) })),
});

export default defineConfig({
  title: "Busbar",
  description,
  srcDir: "../../.cache/site/pages",
  // The Markdown that llms.txt links to.
  srcExclude: ["public/**"],
  outDir: "../../.cache/site/dist",
  cacheDir: "../../.cache/site/cache",
  base,
  markdown: {
    // Links with anchors work here and on GitHub.
    anchor: { slugify: slugOf },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      ...sections
        .filter(({ title }) => !apart.includes(title))
        .map(({ title, pages }) => ({ text: title, link: linkOf(pages[0].path) })),
      { text: "API", link: "/reference/api/@busbar/core" },
      { text: "Benchmarks", link: "/benchmarks" },
      {
        text: version,
        items: [{ text: "What the next release changes", link: "/releases" }, ...versionLinks()],
      },
    ],
    sidebar: {
      "/reference/api/": [
        {
          text: "API",
          items: [...entries().values()].map((name) => ({
            text: name,
            link: `/reference/api/${name}`,
          })),
        },
      ],
      "/": sections.map(sectionOf),
    },
  },
});

function linkOf(path) {
  return `/${path.replace(/\.md$/, "")}`;
}
