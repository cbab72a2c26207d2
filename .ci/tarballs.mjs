import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, publishedPackages, run } from "./lib.mjs";

/**
 * Packs every published package, as npm would get it. `content` is the folder with the files of the tarball, and
 * `manifest` is its package.json.
 *
 * @param {string} name The folder in the cache that the tarballs go to.
 * @returns {Promise<{ manifest: any, tarball: string, content: string }[]>}
 * @throws {Error} When a package cannot be packed.
 */
export async function packPackages(name) {
  const folder = join(cache, name);
  rmSync(folder, { recursive: true, force: true });
  return Promise.all(
    publishedPackages().map(async ({ path, manifest }) => {
      const destination = join(folder, manifest.name.replace("/", "-"));
      mkdirSync(destination, { recursive: true });
      const packed = await run("pnpm", ["pack", "--pack-destination", destination], { cwd: path });
      const file = readdirSync(destination)[0];
      if (packed.code !== 0 || file === undefined) {
        throw new Error(`${manifest.name}: pnpm pack\n${packed.output}`);
      }
      const tarball = join(destination, file);
      const unpacked = await run("tar", ["-xzf", tarball, "-C", destination]);
      if (unpacked.code !== 0) throw new Error(`${manifest.name}: tar\n${unpacked.output}`);
      const content = join(destination, "package");
      const published = JSON.parse(readFileSync(join(content, "package.json"), "utf8"));
      return { manifest: published, tarball, content };
    }),
  );
}
