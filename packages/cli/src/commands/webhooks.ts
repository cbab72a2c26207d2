import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { ExitCode } from "../exit-codes.ts";
import { positiveNumber } from "../options.ts";
import { table } from "../output/table.ts";
import { withProject } from "../project/open-project.ts";

/** Adds `busbar webhooks` and the commands below it. */
export function addWebhooks(program: Command, does: Does): void {
  const group = program
    .command("webhooks")
    .description("List webhook subscriptions, search the delivery log, deliver again.");
  group
    .command("list")
    .description("List the webhook subscriptions, the newest first.")
    .option("--event <name>", "only those that want an event of this name")
    .option("--text <text>", "only those with this text in destination or label")
    .option("--limit <count>", "how many to list at most", positiveNumber, 50)
    .addHelpText("after", examples({ "busbar webhooks list --event order.placed": "Who gets it?" }))
    .action(does(list));
}

interface ListFlags {
  readonly event?: string;
  readonly text?: string;
  readonly limit: number;
}

async function list(cli: Cli, { event, text, limit }: ListFlags): Promise<ExitCode> {
  const filter = { ...(event !== undefined && { event }), ...(text !== undefined && { text }) };
  const { items } = await withProject(
    cli,
    ({ webhooks }) => webhooks().subscriptions.list(filter, { limit }),
    { shared: false },
  );
  cli.printer.result(items, () =>
    items.length === 0
      ? "There are no such webhook subscriptions."
      : table(
          items,
          [
            { title: "ID", of: ({ id }) => id },
            {
              title: "STATE",
              of: ({ enabled, disabled }) => (enabled ? "enabled" : `disabled: ${disabled?.kind}`),
            },
            { title: "NOTIFIER", of: ({ notifier }) => notifier },
            { title: "DESTINATION", of: ({ destination }) => destination, most: 60 },
            { title: "EVENTS", of: ({ events }) => events.join(", "), most: 60 },
          ],
          cli.printer.paint,
        ),
  );
  return items.length === 0 ? ExitCode.notFound : ExitCode.ok;
}
