import { type App, createApp, type Role } from "@busbar/core";
import { type Command, Option } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { positiveNumber } from "../options.ts";
import { counted } from "../output/text.ts";
import { findConfig } from "../project/find-config.ts";
import { isDone, whenAborted } from "../wait-for.ts";

/** The options of the command. */
interface WorkerFlags {
  readonly role: Role;
  readonly grace?: number | undefined;
}

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
      `\nSIGTERM and SIGINT stop the worker: it takes no new deliveries, waits for running handlers, and ends with\nexit code 0. A worker that still starts ends within a second. A second signal ends it at once.\n${examples(
        {
          "busbar worker": "Run a worker next to your web server",
        },
      )}`,
    )
    .action(does(work));
}

async function work(cli: Cli, { role, grace }: WorkerFlags): Promise<void> {
  const { io, printer } = cli;
  const making = createApp(findConfig(cli), { role, signals: false });
  // A configuration may take long to load, and a server to answer.
  if (!(await isDone(making, io.signal))) return;
  const app = await making;
  let graceMs = grace;
  try {
    if (!io.signal.aborted && (await isDone(app.start(), io.signal))) {
      await isDone(announce(app, cli), io.signal);
      await whenAborted(io.signal);
    } else {
      // A start that hangs would use up the time for running handlers.
      graceMs = 0;
    }
    printer.note("Stopping: running handlers may end.");
  } finally {
    await app.stop({ graceMs });
  }
}

async function announce({ bus, role }: App, { printer }: Cli): Promise<void> {
  const { provider, subscriptions } = await bus.inspect();
  const count = subscriptions.filter(({ here }) => here).length;
  printer.note(`The ${role} runs ${counted(count, "subscription")} on provider ${provider}.`);
}
