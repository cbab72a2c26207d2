import type { ProjectPlan } from "./project-kinds.ts";
import { PROVIDER_NEEDS } from "./provider-needs.ts";

/** Versions of packages, by their names. */
export type Versions = Readonly<Record<string, string>>;

/** The packages of a project. */
interface Packages {
  readonly dependencies?: readonly string[];
  readonly devDependencies: readonly string[];
  readonly peerDependencies?: readonly string[];
}

const TEST = "node --import tsx --test test/*.test.ts";
const TOOLS = ["@types/node", "tsx", "typescript"];

/** Returns the package.json of a project. */
export function manifestOf(plan: ProjectPlan, versions: Versions): string {
  const packages = packagesOf(plan);
  const versioned = (names: readonly string[] = []): Versions | undefined =>
    names.length === 0
      ? undefined
      : Object.fromEntries(names.toSorted().map((name) => [name, versionOf(name, versions)]));
  const manifest = {
    name: plan.name,
    version: "0.1.0",
    ...membersOf(plan),
    dependencies: versioned(packages.dependencies),
    devDependencies: versioned(packages.devDependencies),
    peerDependencies: versioned(packages.peerDependencies),
    engines: { node: ">=20.19" },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function versionOf(name: string, versions: Versions): string {
  const version = versions[name];
  if (version === undefined) throw new TypeError(`No version of ${name} is known`);
  return version;
}

function membersOf({ kind, provider, features }: ProjectPlan): object {
  if (kind === "app") {
    const needsEnvironment =
      PROVIDER_NEEDS[provider].address !== undefined ||
      features.includes("webhooks") ||
      features.includes("dashboard");
    return {
      private: true,
      type: "module",
      scripts: {
        dev: "busbar dev src/serve.ts",
        build: "tsc",
        start: `node ${needsEnvironment ? "--env-file=.env " : ""}dist/src/main.js`,
        test: TEST,
      },
    };
  }
  return {
    type: "module",
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
    files: ["dist", "src", ...(kind === "provider" ? ["conformance.json"] : [])],
    scripts: { build: "tsc", prepack: "tsc", test: TEST },
  };
}

function packagesOf({ kind, provider, features }: ProjectPlan): Packages {
  if (kind === "provider") {
    return {
      devDependencies: ["@busbar/conformance", "@busbar/core", ...TOOLS],
      peerDependencies: ["@busbar/core"],
    };
  }
  if (kind === "notifier") {
    return {
      dependencies: ["zod"],
      devDependencies: ["@busbar/core", "@busbar/webhooks", ...TOOLS],
      peerDependencies: ["@busbar/webhooks"],
    };
  }
  return {
    dependencies: [
      "@busbar/core",
      "zod",
      ...PROVIDER_NEEDS[provider].packages,
      ...(features.includes("dashboard") ? ["@busbar/dashboard"] : []),
      ...(features.includes("outbox") ? ["@busbar/outbox", "libsql"] : []),
      ...(features.includes("webhooks")
        ? ["@busbar/webhooks", "@hono/node-server", "hono", "libsql"]
        : []),
    ],
    devDependencies: ["busbar", "@busbar/testing", ...TOOLS],
  };
}
