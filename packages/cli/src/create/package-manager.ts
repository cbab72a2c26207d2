import { spawn } from "node:child_process";
import { once } from "node:events";
import { PACKAGE_MANAGERS, type PackageManager } from "./project-kinds.ts";

/** The package manager that runs this process, as it says in the environment. npm if none does. */
export function callingPackageManager(
  env: Readonly<Record<string, string | undefined>>,
): PackageManager {
  const agent = env["npm_config_user_agent"] ?? "";
  return PACKAGE_MANAGERS.find((name) => agent.startsWith(`${name}/`)) ?? "npm";
}

/** How a package manager runs a script of a project. */
export function scriptCommand(packageManager: PackageManager, script: string): string {
  if (packageManager === "bun") return `bun run ${script}`;
  if (["test", "start"].includes(script) || packageManager !== "npm")
    return `${packageManager} ${script}`;
  return `npm run ${script}`;
}

/**
 * Installs the packages of a project. What the package manager says goes to standard error.
 *
 * @returns Whether it has succeeded.
 */
export async function install(
  packageManager: PackageManager,
  directory: string,
  signal: AbortSignal,
): Promise<boolean> {
  const child = spawn(packageManager, ["install"], {
    cwd: directory,
    stdio: ["ignore", 2, 2],
    // They are scripts on Windows.
    shell: process.platform === "win32",
    signal,
  });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0;
  } catch {
    return false;
  }
}
