import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { ExitCode } from "../exit-codes.ts";
import { counted } from "../output/text.ts";
import { withProject } from "../project/open-project.ts";

/** Adds `busbar cancel`. */
export function addCancel(program: Command, does: Does): void {
  program
    .command("cancel")
    .description("Cancel the deliveries of an event that are not running.")
    .argument("<event-id>", "id of the event, as `emit` shows it")
    .option("--subscriber <id>", "only the delivery to this subscription")
    .addHelpText(
      "after",
      `\nHandlers that run go on. Dead letters stay. An event in the outbox is cancelled there.\n${examples(
        { "busbar cancel 0198…": "Take back a delayed event" },
      )}`,
    )
    .action(does(cancel));
}

async function cancel(
  cli: Cli,
  eventId: string,
  { subscriber: subscriberId }: { readonly subscriber?: string },
): Promise<ExitCode> {
  const cancelled = await withProject(cli, ({ bus }) => bus.cancel(eventId, { subscriberId }));
  cli.printer.result({ eventId, subscriberId, cancelled }, () =>
    cancelled === 0
      ? "Nothing waits: the deliveries run, have ended, or never were."
      : `${counted(cancelled, "delivery", "deliveries")} cancelled.`,
  );
  return cancelled === 0 ? ExitCode.notFound : ExitCode.ok;
}
