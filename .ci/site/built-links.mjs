// Follows the links of the built site. `pnpm check links` follows those of the Markdown pages as GitHub shows them;
// this one sees what a build adds: the navigation, the reference of the API, and the anchors that VitePress makes.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { filesIn } from "../lib.mjs";

/** `base` is the path under which the pages are served. Returns the links that lead to no file, or to no element of the page, of the built pages in a folder. */
export function brokenLinks(folder, base) {
  const idsOfPage = new Map();
  const broken = new Set();
  for (const page of filesIn(folder).filter((file) => file.endsWith(".html"))) {
    if (page === "404.html") continue;
    const html = readFileSync(join(folder, page), "utf8");
    for (const [, href] of html.matchAll(/<(?:a|img)\b[^>]*?\s(?:href|src)="([^"]*)"/g)) {
      if (/^[a-z][a-z+.-]*:|^\/\//i.test(href)) continue;
      const [path, anchor] = decodeURI(href.replaceAll("&amp;", "&")).split("#", 2);
      const target = path === "" ? join(folder, page) : fileOf(path, page);
      if (!existsSync(target)) broken.add(`${page}: ${href} leads to no page`);
      else if (anchor && target.endsWith(".html") && !idsOf(target).has(anchor)) {
        broken.add(`${page}: ${href} leads to no heading`);
      }
    }
  }
  return [...broken];

  function fileOf(path, page) {
    const file = path.startsWith(base)
      ? join(folder, path.slice(base.length))
      : resolve(folder, dirname(page), path);
    return path.endsWith("/") ? join(file, "index.html") : file;
  }

  function idsOf(file) {
    const known = idsOfPage.get(file);
    if (known) return known;
    const ids = new Set(
      [...readFileSync(file, "utf8").matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id),
    );
    idsOfPage.set(file, ids);
    return ids;
  }
}
