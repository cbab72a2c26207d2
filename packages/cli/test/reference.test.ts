import type { Command } from "commander";
import { expect, test } from "vitest";
import { commandsOf, quietProgram } from "./support/commands.ts";

/** The help text as it is, so the page and the help say the same. Update the page with `-u`. */
test("the reference shows the help of each command", async () => {
  const help = (command: Command): string => {
    let text = "";
    command.configureOutput({ ...command.configureOutput(), writeOut: (part) => (text += part) });
    command.outputHelp();
    return text.trim();
  };
  const all = quietProgram();
  const page = [
    "<!-- Written by packages/cli/test/reference.test.ts from the help texts. Do not edit. -->",
    "# Command line",
    "The package `busbar` has the command `busbar`. It reads the `busbar.config` file in the working directory, or in a folder above it within the same package. Except with `worker` and `dev`, it runs in the [role `tool`](configuration.md#roles): it declares no subscription and consumes nothing. A provider in memory has nothing that another process could see: there, most commands end with exit code 4.",
    "## Exit codes",
    [
      "| code | meaning                                                                    |",
      "| ---- | -------------------------------------------------------------------------- |",
      "| 0    | the command has done what it was asked to do                               |",
      "| 1    | the command has failed or was interrupted, or a check has found something  |",
      "| 2    | the command line is wrong, or a question would need an answer: see `--yes` |",
      "| 3    | nothing has the name or matches the filter                                 |",
      "| 4    | the provider or a database does not answer, or cannot do this              |",
    ].join("\n"),
    "## Output",
    "Results go to standard output; messages, progress and errors go to standard error. With `--json` the result is one JSON document, or one line of JSON for each entry of a stream, and an error is one line of JSON. A command that is interrupted after a part of its work says what was done. Colours are for terminals only, and not if `NO_COLOR` is set.",
    "## busbar",
    `\`\`\`text\n${help(all)}\n\`\`\``,
    ...commandsOf(all).flatMap(([path, command]) => [
      `## busbar ${path}`,
      `\`\`\`text\n${help(command)}\n\`\`\``,
    ]),
  ].join("\n\n");
  await expect(`${page}\n`).toMatchFileSnapshot("../../../docs/reference/command-line.md");
});

test("each command has a description that ends with a full stop", () => {
  for (const [path, command] of commandsOf(quietProgram())) {
    expect(`${path}: ${command.description()}`).toMatch(/: [A-Z].*[.]$/s);
  }
});
