// Finds the programs that tests need, and installs them where that needs no question: as root on Debian.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { kinds, tools } from "./kinds.mjs";

const programs = { ...kinds, ...tools };

/** Where a program is, if it is there. */
export function findProgram(kind) {
  const { program, versions } = programs[kind];
  const newestFirst =
    versions && existsSync(versions)
      ? readdirSync(versions).toSorted((a, b) => Number(b) - Number(a))
      : [];
  return [
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
  const release = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const folder = mkdtempSync(join(tmpdir(), "busbar-apt-"));
  const options = [];
  if (backports.includes(release)) {
    // Beside the machine's own sources, and for this once.
    const own = "/etc/apt/sources.list";
    const sources = join(folder, "sources.list");
    writeFileSync(
      sources,
      `${existsSync(own) ? readFileSync(own, "utf8") : ""}
deb http://deb.debian.org/debian ${release}-backports main
`,
    );
    options.push("-o", `Dir::Etc::sourcelist=${sources}`, "-t", `${release}-backports`);
  }
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
