import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { manifestOf, type Versions } from "./manifest.ts";
import { codeNames, packageNameProblem } from "./names.ts";
import { scriptCommand } from "./package-manager.ts";
import type { ProjectPlan } from "./project-kinds.ts";
import { PROVIDER_NEEDS } from "./provider-needs.ts";
import { type ProjectFiles, readTemplate } from "./template.ts";

const templates = fileURLToPath(new URL("../../templates", import.meta.url));

/**
 * Writes the files of a project. Needs no network.
 *
 * @returns The paths of the files in the project, in their order.
 * @throws CommandFailure when the folder holds something already, or the name is none for a package.
 */
export async function createProject(plan: ProjectPlan): Promise<readonly string[]> {
  const problem = packageNameProblem(plan.name);
  if (problem !== undefined) {
    const message = `The name ${JSON.stringify(plan.name)} ${problem}`;
    throw new CommandFailure(ExitCode.usage, message, "Give another one with --name.");
  }
  await assertEmpty(plan.directory);
  const files = await filesOf(plan);
  for (const [path, text] of files) {
    const file = join(plan.directory, path);
    await mkdir(dirname(file), { recursive: true });
    // Another process may be writing to the folder.
    await writeFile(file, text, { flag: "wx", mode: path === ".env" ? 0o600 : 0o666 });
  }
  return [...files.keys()];
}

/** A new repository may be there already. */
async function assertEmpty(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code !== "ENOTDIR") throw error;
    throw new CommandFailure(ExitCode.usage, `${directory} is a file`, "Name a folder.");
  });
  const found = names.find((name) => name !== ".git");
  if (found === undefined) return;
  const message = `The folder ${directory} is not empty: it has ${found}`;
  throw new CommandFailure(ExitCode.usage, message, "Name a folder that is new or empty.");
}

async function filesOf(plan: ProjectPlan): Promise<ProjectFiles> {
  const { kind, provider, features, packageManager } = plan;
  const names = codeNames(plan.name);
  const has = new Set<string>([provider, ...features, packageManager]);
  const files = await readTemplate(join(templates, kind), has, names);
  for (const [path, feature] of Object.entries(FILES_OF_FEATURES)) {
    if (!has.has(feature)) files.delete(path);
  }
  const text = await readFile(join(templates, "versions.json"), "utf8");
  files.set("package.json", manifestOf(plan, JSON.parse(text) as Versions));
  if (kind === "app") addEnvironment(files, has, provider);
  files.set("README.md", withCommandsOf(packageManager, files.get("README.md")!));
  const settings = SETTINGS[packageManager];
  if (settings !== undefined) files.set(...settings);
  return new Map([...files].toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** Files of an application that only one feature needs. */
const FILES_OF_FEATURES: Readonly<Record<string, string>> = {
  "src/database.ts": "outbox",
  "src/webhooks.ts": "webhooks",
  "src/dashboard.ts": "dashboard",
  "src/subscribers/announce-order.ts": "webhooks",
};

/** Settings by which a package manager installs without a question, and where Node looks for packages. */
const SETTINGS: Partial<Record<ProjectPlan["packageManager"], [path: string, text: string]>> = {
  pnpm: ["pnpm-workspace.yaml", "allowBuilds:\n  esbuild: false\n  msgpackr-extract: false\n"],
  yarn: [".yarnrc.yml", "nodeLinker: node-modules\n"],
};

/** Pages name the commands of npm. */
function withCommandsOf(packageManager: ProjectPlan["packageManager"], text: string): string {
  if (packageManager === "npm") return text;
  return text
    .replaceAll(/npm (?:run )?(dev|test|build|start)\b( --)?/g, (_, script: string) =>
      scriptCommand(packageManager, script),
    )
    .replaceAll("npm install", `${packageManager} add`);
}

/** Adds the environment of the application, and an example of it to commit: without secrets. */
function addEnvironment(
  files: ProjectFiles,
  has: ReadonlySet<string>,
  provider: ProjectPlan["provider"],
): void {
  const variables: [comment: string, name: string, value: string, example: string][] = [];
  const { address } = PROVIDER_NEEDS[provider];
  if (address !== undefined) {
    const { variable, url } = address;
    variables.push(["Where the events are kept.", variable, url, url]);
  }
  if (has.has("webhooks")) {
    const key = `first:${randomBytes(32).toString("base64")}`;
    variables.push(
      ["Encrypts the secrets of webhook subscriptions.", "BUSBAR_WEBHOOKS_KEYS", key, "first:"],
      ["Allows requests to /webhooks.", "WEBHOOKS_TOKEN", randomBytes(24).toString("hex"), ""],
    );
  }
  if (has.has("dashboard")) {
    const token = randomBytes(24).toString("hex");
    variables.push(["Opens the dashboard.", "DASHBOARD_TOKEN", token, ""]);
  }
  if (variables.length === 0) return;
  const lines = (column: 2 | 3): string =>
    variables.map((it) => `# ${it[0]}\n${it[1]}=${it[column]}\n`).join("\n");
  files.set(".env", lines(2));
  files.set(".env.example", lines(3));
}
