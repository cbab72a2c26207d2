import { readFileSync } from "node:fs";

const README = new URL("../../README.md", import.meta.url);

/** The permissions of a user of NATS, as the README has them for the bus "shop". */
export function documentedRights(): string {
  const readme = readFileSync(README, "utf8");
  const found = /```hcl\n(?<rights>permissions[^`]*)```/.exec(readme)?.groups?.["rights"];
  if (found === undefined) throw new Error("The README lists no permissions");
  return found.replaceAll("\n", " ");
}
