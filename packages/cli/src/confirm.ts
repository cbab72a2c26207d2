import type { Cli } from "./cli.ts";
import { CommandFailure, ExitCode } from "./exit-codes.ts";
import { printable } from "./output/text.ts";

/**
 * Asks before something that cannot be undone.
 *
 * @throws CommandFailure when the answer is no, or when nobody can answer and `--yes` was not given.
 */
export async function confirm({ io }: Cli, question: string, isConfirmed = false): Promise<void> {
  if (isConfirmed) return;
  const answer = await io.ask(printable(`${question} [y/N] `));
  if (answer === undefined) {
    throw new CommandFailure(ExitCode.usage, `${question} Nobody is here to answer`, "Add --yes.");
  }
  if (!/^y(es)?$/i.test(answer.trim())) {
    throw new CommandFailure(ExitCode.failed, "Nothing was done");
  }
}
