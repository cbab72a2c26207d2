import { createApp, type Role } from "@busbar/core";
import { type Command, Option } from "commander";
import type { Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { positiveNumber } from "../options.ts";
import { counted } from "../output/text.ts";
import { findConfig } from "../project/find-config.ts";
import { whenAborted } from "../wait-for.ts";

/** Adds `busbar worker`. */
export function addWorker(program: Command, does: Does): void {
  program
    .command("worker")
    .description("Run the subscribers of the project until the process is told to stop.")
    .addOption(
      new Option("--role <role>", "what the process does")
        .choices(["worker", "shared", "server"])
        .default("worker"),
    )
    .option("--grace <ms>", "how long running handlers may take to end", positiveNumber)
    .addHelpText(
      "after",
      `\nSIGTERM and SIGINT stop the worker: it takes no new deliveries, waits for running handlers, and ends with\nexit code 0. A second signal ends it at once.\n${examples(
        {
          "busbar worker": "Run a worker next to your web server",
        },
      )}`,
    )
    .action(
      does(async (cli, { role, grace: graceMs }: { role: Role; grace?: number }) => {
        const { io, printer } = cli;
        const app = await createApp(findConfig(cli), { role, signals: false });
        try {
          await app.start();
          const { provider, subscriptions } = await app.bus.inspect();
          const count = subscriptions.filter(({ here }) => here).length;
          const what = counted(count, "subscription");
          printer.note(`The ${role} runs ${what} on provider ${provider}.`);
          await whenAborted(io.signal);
          printer.note("Stopping: running handlers may end.");
        } finally {
          await app.stop({ graceMs });
        }
      }),
    );
}
