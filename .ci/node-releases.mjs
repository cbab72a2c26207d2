import { run } from "./lib.mjs";

/** The newest Node with long-term support, from which gates and benchmarks take what they say about it. */
export const NEWEST_NODE = "24.21.0";

/**
 * The path of a Node: of this one if it is of that version, or else of one from npm's cache, where the first call
 * installs it.
 *
 * @param {string} version A version, or the number before its first dot; 24 is {@link NEWEST_NODE}.
 * @throws {Error} When npm cannot install it.
 */
export async function nodeProgram(version) {
  const wanted = NEWEST_NODE.startsWith(`${version}.`) ? NEWEST_NODE : version;
  if (`${process.versions.node}.`.startsWith(`${wanted}.`)) return process.execPath;
  const command = ["--yes", `--package=node@${wanted}`, "--", "node", "-p", "process.execPath"];
  const { code, stdout, output } = await run("npx", command);
  if (code !== 0) throw new Error(`No Node ${wanted}:\n${output.trimEnd()}`);
  return stdout.trim().split("\n").at(-1);
}
