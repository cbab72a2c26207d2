import type { BusHealth } from "@busbar/core";
import type { Command } from "commander";
import type { Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { ExitCode } from "../exit-codes.ts";
import { printable } from "../output/text.ts";
import { withProject } from "../project/open-project.ts";

/** Adds `busbar health`. */
export function addHealth(program: Command, does: Does): void {
  program
    .command("health")
    .description("Say whether the provider works. Exit code 0: it does, 1: partly, 4: it does not.")
    .addHelpText(
      "after",
      examples({ "busbar health --json": "Use it in a script or as a probe of a container" }),
    )
    .action(
      does(async (cli) => {
        const health = await withProject(cli, ({ bus }) => bus.health(), { shared: false });
        const { printer } = cli;
        printer.result(health, () => lineOf(health));
        return { up: ExitCode.ok, degraded: ExitCode.failed, down: ExitCode.unavailable }[
          health.status
        ];
      }),
    );
}

function lineOf({ status, provider, detail, clockSkews }: BusHealth): string {
  const skews = (clockSkews ?? []).map(
    ({ server, aheadMs }) => `\nThis machine's clock is ${aheadMs} ms ahead of ${server}`,
  );
  const said = detail === undefined ? "" : `: ${detail.replaceAll(/\s+/g, " ")}`;
  return printable(`${status}  provider ${provider}${said}${skews.join("")}`);
}
