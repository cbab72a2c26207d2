// Packs every published package as npm would get it and lets publint and attw look at it.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, finish, publishedPackages, run } from "./lib.mjs";

const folder = join(cache, "packed");
rmSync(folder, { recursive: true, force: true });
const problems = [];

for (const { path, manifest } of publishedPackages()) {
  const destination = join(folder, manifest.name.replace("/", "-"));
  mkdirSync(destination, { recursive: true });
  const packed = await run("pnpm", ["pack", "--pack-destination", destination], { cwd: path });
  const tarball = readdirSync(destination)[0];
  if (packed.code !== 0 || tarball === undefined) {
    problems.push(`${manifest.name}: pnpm pack\n${packed.output}`);
    continue;
  }
  for (const [command, ...args] of [
    ["publint", "--strict"],
    ["attw", "--profile", "esm-only", "--no-emoji", "--format", "ascii"],
  ]) {
    const result = await run(command, [join(destination, tarball), ...args]);
    if (result.code !== 0) problems.push(`${manifest.name}: ${command}\n${result.output}`);
  }
}
finish(problems, `${publishedPackages().length} packages`);
