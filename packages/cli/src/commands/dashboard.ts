import { randomBytes } from "node:crypto";
import type { Plugin } from "@busbar/core/plugin";
import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { wholeNumber } from "../options.ts";
import { importFromProject } from "../project/import-from-project.ts";
import { readProject, withProject } from "../project/open-project.ts";
import { whenAborted } from "../wait-for.ts";

/** The part of `@busbar/dashboard` that the command uses. */
interface DashboardModule {
  readonly dashboard: (options: {
    readonly token: string;
    readonly readOnly: boolean;
  }) => Dashboard;
  readonly serveDashboard: (
    board: Dashboard,
    options: { readonly port: number; readonly host: string },
  ) => Promise<{ readonly origin: string; close(): Promise<void> }>;
}

interface Dashboard extends Plugin {
  createSignInLink(origin: string): string;
}

interface DashboardFlags {
  readonly port: number;
  readonly host: string;
  readonly readOnly?: boolean;
}

/** Adds `busbar dashboard`. */
export function addDashboard(program: Command, does: Does): void {
  program
    .command("dashboard")
    .description("Serve the dashboard on this machine, until Ctrl-C. Needs @busbar/dashboard.")
    .option("--port <port>", "the port; 0 takes a free one", wholeNumber, 4000)
    .option("--host <address>", "the address to listen at", "127.0.0.1")
    .option("--read-only", "nobody may change anything")
    .addHelpText(
      "after",
      `\nThe command shows a link that signs in once, within 10 minutes.\n${examples({
        "busbar dashboard --read-only": "Look, and change nothing",
      })}`,
    )
    .action(does(serve));
}

async function serve(cli: Cli, { port, host, readOnly = false }: DashboardFlags): Promise<void> {
  const { root } = await readProject(cli);
  const { dashboard, serveDashboard } = await importFromProject<DashboardModule>(
    root,
    "@busbar/dashboard",
  );
  const board = dashboard({ token: randomBytes(24).toString("base64url"), readOnly });
  await withProject(
    cli,
    async () => {
      const served = await serveDashboard(board, { port, host });
      try {
        const link = board.createSignInLink(served.origin);
        cli.printer.entry({ origin: served.origin, link }, () => `The dashboard is at ${link}`);
        await whenAborted(cli.io.signal);
      } finally {
        await served.close();
      }
    },
    { plugins: [board] },
  );
}
