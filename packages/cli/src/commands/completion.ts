import { Argument, type Command } from "commander";
import type { Does } from "../cli.ts";
import { completionScript, SHELLS, type Shell } from "../completion.ts";

/** Adds `busbar completion`. */
export function addCompletion(program: Command, does: Does): void {
  program
    .command("completion")
    .description("Write a script that completes commands and options in a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      [
        "",
        "Add one line to the start file of the shell:",
        '  bash: eval "$(busbar completion bash)"',
        '  zsh:  eval "$(busbar completion zsh)"',
        "  fish: busbar completion fish | source",
        "",
      ].join("\n"),
    )
    .action(
      does(async (cli, shell: Shell) => {
        const script = completionScript(program, shell).trimEnd();
        cli.printer.result({ shell, script }, () => script);
      }),
    );
}
