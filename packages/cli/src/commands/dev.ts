import { fork } from "node:child_process";
import { dirname, extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import type { Does } from "../cli.ts";
import type { DevOptions } from "../dev/dev-options.ts";
import { createSupervisor } from "../dev/supervisor.ts";
import { watchFiles } from "../dev/watch-files.ts";
import { examples } from "../examples.ts";
import { positiveNumber } from "../options.ts";
import { hasTerminalColours } from "../output/printer.ts";
import { findConfig } from "../project/find-config.ts";
import { whenAborted } from "../wait-for.ts";

/** The options of the command. */
interface Options {
  readonly twice?: boolean | undefined;
  readonly slow: number;
  readonly watch: boolean;
}

/** Adds `busbar dev`. */
export function addDev(program: Command, does: Does): void {
  program
    .command("dev [module]")
    .description("Run the application, show its events, and reload what changes.")
    .option("--twice", "deliver each event a second time after it was handled")
    .option("--slow <ms>", "warn of handlers that take longer", positiveNumber, 500)
    .option("--no-watch", "leave the application as it was started")
    .addHelpText(
      "after",
      `
The default export of the module is called with the application once it has started, for example to start an HTTP
server. It may return a function that ends what it has started.

A subscriber file that changes replaces its handler without a restart. Any other source starts the application again.
The command warns of emits outside of a transaction if there is an outbox, of slow handlers, and of names that are not
in the catalogue. With --twice, it reports handlers whose second delivery fails or emits its events again. Variables in
a file .env next to the configuration are read. Ctrl-C drains the application, which is killed after 7 seconds.
${examples({
  "busbar dev src/serve.ts": "Run the application with its HTTP server",
  "busbar dev --twice": "Find handlers that are not safe to repeat",
})}`,
    )
    .action(
      does(async (cli, module: string | undefined, { twice, slow, watch }: Options) => {
        const { io, options, printer } = cli;
        const config = findConfig(cli);
        const devOptions: DevOptions = {
          config,
          module: module === undefined ? undefined : resolve(io.cwd, module),
          twice: twice === true,
          slowMs: slow,
          json: options.json === true,
          color: options.color && hasTerminalColours(io),
          verbose: options.verbose === true,
        };
        const script = `../dev/dev-process${extname(import.meta.url)}`;
        const supervisor = createSupervisor({
          fork: () =>
            fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(devOptions)], {
              stdio: ["ignore", "inherit", "inherit", "ipc"],
            }),
          note: (text) => printer.note(text),
        });
        const endWatch = watch
          ? await watchFiles(dirname(config), (files) => supervisor.changed(files))
          : async (): Promise<void> => {};
        supervisor.start();
        await whenAborted(io.signal);
        printer.note("Stopping: running handlers may end");
        await endWatch();
        await supervisor.stop();
      }),
    );
}
