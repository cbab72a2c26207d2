// Finds the programs that tests need, and installs them where that needs no question: as root on Debian.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { kinds, tools } from "./kinds.mjs";

const programs = { ...kinds, ...tools };

/** Where a program is, if it is there. */
export function findProgram(kind) {
  const { program, versions, folder, pathVariable } = programs[kind];
  const given = pathVariable && process.env[pathVariable];
  if (given) return given;
  const newestFirst =
    versions && existsSync(versions)
      ? readdirSync(versions).toSorted((a, b) => Number(b) - Number(a))
      : [];
  return [
    ...(folder ? [folder] : []),
    ...(process.env.PATH ?? "").split(delimiter),
    ...newestFirst.map((version) => join(versions, version, "bin")),
  ]
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

/**
 * Where a program is. One that is not there is installed, if it may be.
 *
 * @throws Error that says how to install it.
 */
export function ensureProgram(kind, { withinMs = 300_000 } = {}) {
  const found = findProgram(kind);
  if (found) return found;
  const { name, program, debianPackage, elsewhere } = programs[kind];
  if (existsSync("/etc/debian_version") && process.getuid?.() === 0) {
    console.log(`${name}: ${program} is missing, so ${debianPackage} is installed by apt-get`);
    install(programs[kind], withinMs);
    const installed = findProgram(kind);
    if (installed) return installed;
  }
  throw new Error(
    [
      `The tests need ${name}, and ${program} is not there. Install it:\n`,
      `Debian, Ubuntu: sudo apt-get update && sudo apt-get install -y ${debianPackage}`,
      ...elsewhere,
    ].join("\n  "),
  );
}

function install({ debianPackage, backports = [] }, withinMs) {
  const folder = mkdtempSync(join(tmpdir(), "busbar-apt-"));
  const options = backports.length > 0 ? backportOptions(backports, folder) : [];
  for (const command of [["update"], ["install", "-y", "--no-install-recommends", debianPackage]]) {
    const { status } = spawnSync("apt-get", [...options, ...command], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      timeout: withinMs,
    });
    if (status !== 0) break;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** What has apt-get look into a release's backports, too: from where the machine gets its Debian, and for this once. */
function backportOptions(releases, folder) {
  const release = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const archive = aptSources()
    .map((text) => /^(?:URIs:|deb(?:\s+\[.*?\])?)\s+(\S+\/debian)\/?\s/m.exec(text)?.[1])
    .find((found) => found !== undefined);
  if (!releases.includes(release) || archive === undefined) return [];
  const own = "/etc/apt/sources.list";
  const sources = join(folder, "sources.list");
  const before = existsSync(own) ? readFileSync(own, "utf8") : "";
  writeFileSync(sources, `${before}\ndeb ${archive} ${release}-backports main\n`);
  return ["-o", `Dir::Etc::sourcelist=${sources}`, "-t", `${release}-backports`];
}

function aptSources() {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  return ["/etc/apt/sources.list", ...files]
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .map((file) => readFileSync(file, "utf8"));
}
