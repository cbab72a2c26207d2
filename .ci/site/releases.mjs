// The page of the next release: what the changesets say, the greatest changes first.
import { writeFileSync } from "node:fs";
import getReleasePlan from "@changesets/get-release-plan";
import { root } from "../lib.mjs";

const kinds = { major: "Changes that break", minor: "New", patch: "Fixed" };

/** Writes the page into a file. */
export async function writeReleases(file) {
  const { changesets, releases } = await (getReleasePlan.default ?? getReleasePlan)(root);
  const parts = Object.entries(kinds).flatMap(([kind, title]) => {
    const changes = changesets.filter((it) => kindOf(it) === kind);
    return changes.length === 0 ? [] : [`## ${title}`, ...changes.map(partOf)];
  });
  const next = releases[0]?.newVersion;
  writeFileSync(
    file,
    `${[`# What ${next ?? "the next release"} changes`, ...parts].join("\n\n")}\n`,
  );
}

function kindOf({ releases }) {
  return Object.keys(kinds).find((kind) => releases.some(({ type }) => type === kind));
}

/** The packages, and the text with its headings below those of the page. */
function partOf({ summary, releases }) {
  const names = releases.map(({ name }) => `\`${name.replace("@busbar/", "")}\``).join(", ");
  return `**${names}**\n\n${summary.trim().replaceAll(/^#/gm, "###")}`;
}
