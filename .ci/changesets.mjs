// The release plan can be made: the configuration and every changeset are valid.
// (`changeset status` would need a git history that reaches the base branch.)
import getReleasePlan from "@changesets/get-release-plan";
import { finish, publishedPackages, root } from "./lib.mjs";

const problems = [];
const planOf = getReleasePlan.default ?? getReleasePlan;
const plan = await planOf(root).catch((error) => {
  problems.push(error.message);
});
for (const { id, summary, releases } of plan?.changesets ?? []) {
  if (summary.trim() === "") problems.push(`.changeset/${id}.md says nothing to users`);
  if (releases.length === 0) problems.push(`.changeset/${id}.md names no package`);
}
const versions = new Set(publishedPackages().map(({ manifest }) => manifest.version));
if (versions.size > 1) {
  problems.push(`Packages are released together, but have versions ${[...versions].join(", ")}`);
}
const next = plan?.releases[0]?.newVersion;
finish(problems, `${plan?.changesets.length} changesets, next version ${next ?? "unchanged"}`);
