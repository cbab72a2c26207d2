import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { run } from "../../src/cli.ts";
import { createProject } from "../../src/create/create-project.ts";
import { FEATURES, type ProjectPlan, PROVIDERS } from "../../src/create/project-kinds.ts";
import { projectFolder, sourceEnvironment } from "../support/project-folder.ts";
import { runCli } from "../support/run-cli.ts";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../../../../", import.meta.url));

function planOf(directory: string, plan: Partial<ProjectPlan> = {}): ProjectPlan {
  const kind = "app";
  return {
    kind,
    directory,
    name: "shop",
    packageManager: "npm",
    provider: "local",
    features: [],
    ...plan,
  };
}

/** Every set of features. */
const featureSets = FEATURES.reduce<ProjectPlan["features"][]>(
  (sets, feature) => sets.flatMap((set) => [set, [...set, feature]]),
  [[]],
);

test("every project compiles, with the strictest settings", async () => {
  const folder = projectFolder();
  for (const provider of PROVIDERS) {
    for (const features of featureSets) {
      const directory = join(folder, [provider, ...features].join("-"));
      await createProject(planOf(directory, { provider, features }));
    }
  }
  for (const kind of ["provider", "notifier"] as const) {
    await createProject(planOf(join(folder, kind), { kind, name: `@acme/busbar-big-${kind}` }));
  }
  const settings = {
    extends: join(repository, "tsconfig.base.json"),
    compilerOptions: { typeRoots: [join(folder, "node_modules/@types")], noUnusedLocals: true },
    include: ["*/*.ts", "*/src", "*/test"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  const compiler = join(repository, "node_modules/.bin/tsc");
  const { stdout } = await execute(compiler, ["-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe("");
}, 60_000);

test.for([
  ["an application", { kind: "app", features: FEATURES }, 2],
  ["a notifier", { kind: "notifier", name: "@acme/busbar-slack" }, 17],
] as const)("the tests of %s pass", async ([, plan, least]) => {
  const directory = join(projectFolder(), "project");
  await createProject(planOf(directory, plan));
  const { scripts } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as {
    scripts: { test: string };
  };
  const { stdout } = await execute("sh", ["-c", scripts.test], {
    cwd: directory,
    env: sourceEnvironment,
  });
  expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(least);
});

test("the names of the project stand in the place of those of the template", async () => {
  const directory = join(projectFolder(), "queue");
  const files = await createProject(
    planOf(directory, { kind: "provider", name: "@acme/busbar-big-queue" }),
  );
  expect(files).toContain("src/big-queue-provider.ts");
  for (const file of files) {
    const text = readFileSync(join(directory, file), "utf8");
    expect(text, file).not.toMatch(/(?<!@)acme|@if|@end/);
  }
  expect(readFileSync(join(directory, "src/index.ts"), "utf8")).toContain(
    'defineEventModule({ name: "@acme/busbar-big-queue", provider: () => bigQueueProvider() })',
  );
});

test("secrets are in .env alone, which git ignores", async () => {
  const directory = join(projectFolder(), "shop");
  await createProject(planOf(directory, { provider: "redis", features: ["webhooks"] }));
  const environment = readFileSync(join(directory, ".env"), "utf8");
  const [, key] = /^BUSBAR_WEBHOOKS_KEYS=first:(.{44})$/m.exec(environment)!;
  const [, token] = /^WEBHOOKS_TOKEN=(\w{48})$/m.exec(environment)!;
  const example = readFileSync(join(directory, ".env.example"), "utf8");
  expect(example).toContain("WEBHOOKS_TOKEN=\n");
  for (const secret of [key!, token!]) expect(example).not.toContain(secret);
  expect(readFileSync(join(directory, ".gitignore"), "utf8").split("\n")).toContain(".env");
  if (process.platform !== "win32") {
    expect(statSync(join(directory, ".env")).mode & 0o077).toBe(0);
  }
});

test("a folder that is not empty is left alone", async () => {
  const folder = projectFolder();
  mkdirSync(join(folder, "shop/.git"), { recursive: true });
  expect((await runCli(["create", "app", "shop", "--no-install"], { cwd: folder })).code).toBe(0);
  const before = readFileSync(join(folder, "shop/package.json"), "utf8");
  const again = await runCli(["create", "provider", "shop", "--no-install"], { cwd: folder });
  expect(again.code).toBe(2);
  expect(again.stderr).toContain("is not empty: it has .env".slice(0, 21));
  expect(readFileSync(join(folder, "shop/package.json"), "utf8")).toBe(before);
  const file = await runCli(["create", "app", "shop/package.json", "--no-install"], {
    cwd: folder,
  });
  expect([file.code, file.stderr]).toEqual([2, expect.stringContaining("is a file")]);
});

test.for([
  [["app", "ü"], "The name"],
  [["app", "shop", "--name", "Big Shop"], "The name"],
  [["app", "shop", "--with", "outbox,queues"], 'There is no feature "queues"'],
  [["app", "shop", "--provider", "kafka"], "local, redis, postgres, nats"],
  [["plugin", "shop"], "error"],
] as const)("busbar create %j writes nothing", async ([words, message]) => {
  const folder = projectFolder();
  const { code, stderr } = await runCli(["create", ...words, "--no-install"], { cwd: folder });
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(existsSync(join(folder, "shop"))).toBe(false);
});

test("machines read what was created", async () => {
  const folder = projectFolder();
  const env = { npm_config_user_agent: "pnpm/12.21.0 npm/? node/v20.19.0" };
  const words = ["create", "app", "shop", "--with", "outbox", "--no-install", "--json"];
  const created = (await runCli(words, { cwd: folder, env })).json();
  expect(created).toMatchObject({
    kind: "app",
    name: "shop",
    directory: join(folder, "shop"),
    installed: false,
    next: ["cd shop", "pnpm install", "pnpm dev", "pnpm test"],
  });
  const { files } = created as { files: string[] };
  expect(files).toContain("pnpm-workspace.yaml");
  expect(files).toContain("src/database.ts");
  expect(files).not.toContain("src/webhooks.ts");
  expect(readFileSync(join(folder, "shop/README.md"), "utf8")).toContain("pnpm dev --twice");
});

test("a person answers questions", async () => {
  const folder = projectFolder();
  const answers = ["my-shop", "redis", "outbox, webhooks"];
  const asked: string[] = [];
  const code = await run(["create", "app", "--no-install"], {
    stdout: { write: () => true },
    stderr: { write: () => true },
    env: {},
    cwd: folder,
    signal: new AbortController().signal,
    readInput: async () => "",
    async ask(question) {
      asked.push(question);
      return answers[asked.length - 1];
    },
  });
  expect([code, asked.length]).toEqual([0, 3]);
  const text = readFileSync(join(folder, "my-shop/busbar.config.ts"), "utf8");
  for (const part of ["@busbar/redis", "outbox({ store })", "hooks"]) expect(text).toContain(part);
});

test("the versions are those that this repository uses", () => {
  const versions = readJson("packages/cli/templates/versions.json") as Record<string, string>;
  const { version } = readJson("packages/cli/package.json") as { version: string };
  const catalogue = readFileSync(join(repository, "pnpm-workspace.yaml"), "utf8");
  const used = new Map<string, string>();
  for (const folder of [
    "cli",
    "redis",
    "postgres",
    "nats",
    "outbox",
    "webhooks",
    "core",
    "testing",
  ]) {
    const manifest = readJson(`packages/${folder}/package.json`) as Record<string, object>;
    for (const [name, range] of Object.entries({
      ...manifest["dependencies"],
      ...manifest["devDependencies"],
    })) {
      used.set(name, String(range));
    }
  }
  for (const [name, range] of Object.entries(versions)) {
    const isOurs = name === "busbar" || name.startsWith("@busbar/");
    const listed = used.get(name);
    const own = new RegExp(`^  "?${name.replace("/", "\\/")}"?: (.+)$`, "m").exec(catalogue)?.[1];
    expect([name, range]).toEqual([
      name,
      isOurs ? `^${version}` : listed === "catalog:" ? own : listed,
    ]);
  }
});

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(repository, path), "utf8"));
}
