import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CommandFailure, ExitCode } from "../exit-codes.ts";

/**
 * Imports a package that the project has installed, or else one next to this command.
 *
 * @throws CommandFailure when there is none.
 */
export async function importFromProject<Exports>(root: string, name: string): Promise<Exports> {
  let specifier = name;
  try {
    specifier = pathToFileURL(createRequire(path.join(root, "package.json")).resolve(name)).href;
  } catch {
    // The project does not have it: a global installation may have it.
  }
  try {
    return (await import(/* @vite-ignore */ specifier)) as Exports;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new CommandFailure(
      ExitCode.unavailable,
      `${name} is not installed in ${root}`,
      `Install it: npm install ${name}`,
    );
  }
}
