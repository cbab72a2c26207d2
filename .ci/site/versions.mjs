// The versions of the documentation. Where the site is served, each minor release has a folder: see decision 72.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib.mjs";

const { version } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
const home = process.env.SITE_URL;

/** The version of the pages, such as `0.1.0`. */
export { version };

/** The path under which the pages are served: that of their version, if there is a SITE_URL. */
export const base = home === undefined ? "/" : new URL(`${minorOf(version)}/`, home).pathname;

/** Links to the released versions, the newest first. Without a SITE_URL there is no place to link to. */
export function versionLinks() {
  if (home === undefined) return [];
  const tags = execFileSync("git", ["tag", "--list", "@busbar/core@*", "--sort=-version:refname"], {
    cwd: root,
    encoding: "utf8",
  });
  const minors = tags
    .split("\n")
    .filter(Boolean)
    .map((tag) => minorOf(tag.split("@").at(-1)));
  return [...new Set(minors)].map((minor) => ({
    text: minor,
    link: new URL(`${minor}/`, home).href,
  }));
}

function minorOf(text) {
  return text.split(".").slice(0, 2).join(".");
}
