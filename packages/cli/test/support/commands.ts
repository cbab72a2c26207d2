import type { Command } from "commander";
import { createProgram } from "../../src/cli.ts";

const nowhere = { write: () => true };

/** The program, which writes nothing. */
export function quietProgram(): Command {
  return createProgram({
    stdout: nowhere,
    stderr: nowhere,
    env: {},
    cwd: "/",
    signal: new AbortController().signal,
    readInput: async () => "",
    ask: async () => undefined,
  });
}

/** The commands that do something, with the words that lead to each. */
export function commandsOf(
  command: Command,
  path: readonly string[] = [],
): readonly [string, Command][] {
  const inner = command.commands.filter((it) => it.name() !== "help");
  if (inner.length === 0) return [[path.join(" "), command]];
  return inner.flatMap((it) => commandsOf(it, [...path, it.name()]));
}
