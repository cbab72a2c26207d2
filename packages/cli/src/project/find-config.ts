import { existsSync } from "node:fs";
import path from "node:path";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import type { Cli } from "../cli.ts";

const TYPESCRIPT = ["ts", "mts", "cts"];
const JAVASCRIPT = ["js", "mjs", "cjs"];

/**
 * Finds the configuration file of the project: in the working directory, then in the directories above it, up to the
 * first one with a `package.json`. In production, JavaScript goes before TypeScript.
 *
 * @throws CommandFailure when there is none.
 */
export function findConfig({ io, options }: Pick<Cli, "io" | "options">): string {
  if (options.config !== undefined) {
    const file = path.resolve(io.cwd, options.config);
    if (existsSync(file)) return file;
    throw new CommandFailure(ExitCode.usage, `There is no file ${file}`);
  }
  const isProduction = io.env["NODE_ENV"] === "production";
  const endings = isProduction ? [...JAVASCRIPT, ...TYPESCRIPT] : [...TYPESCRIPT, ...JAVASCRIPT];
  for (let directory = io.cwd; ; directory = path.dirname(directory)) {
    const found = endings
      .map((ending) => path.join(directory, `busbar.config.${ending}`))
      .find((file) => existsSync(file));
    if (found !== undefined) return found;
    const isLast = existsSync(path.join(directory, "package.json"));
    if (isLast || directory === path.dirname(directory)) break;
  }
  throw new CommandFailure(
    ExitCode.failed,
    `There is no busbar.config file in ${io.cwd} or above it in its package`,
    "Run the command in the folder of your application, or name the file with --config.",
  );
}
