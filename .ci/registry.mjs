import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";

const longAgo = "2020-01-01T00:00:00.000Z";

/**
 * Serves tarballs as a registry does. Package managers that are told to take the scope from there install what we
 * would publish, by its name. Requests for other packages are sent on, so that it can be the only registry.
 *
 * @param {{ manifest: any, tarball: string }[]} packages As `packPackages` returns them.
 * @param {string} others The registry that has all other packages, with a slash at the end.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveRegistry(packages, others) {
  const answers = new Map();
  const server = createServer((request, response) => {
    const answer = answers.get(decodeURIComponent(request.url));
    const elsewhere = { location: new URL(request.url.slice(1), others).href };
    response.writeHead(...(answer === undefined ? [302, elsewhere] : [200])).end(answer);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const { manifest, tarball } of packages) {
    const bytes = readFileSync(tarball);
    const digest = createHash("sha512").update(bytes).digest();
    // A path of its own for each content: package managers cache by it.
    const path = `/${digest.toString("hex").slice(0, 20)}/${basename(tarball)}`;
    const dist = { tarball: url + path, integrity: `sha512-${digest.toString("base64")}` };
    const { name, version } = manifest;
    const versions = { [version]: { ...manifest, dist } };
    answers.set(path, bytes);
    // Old enough for those who wait some days before they install a release.
    const time = { created: longAgo, [version]: longAgo };
    const tags = { latest: version };
    answers.set(`/${name}`, JSON.stringify({ name, "dist-tags": tags, versions, time }));
  }
  return {
    url,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
