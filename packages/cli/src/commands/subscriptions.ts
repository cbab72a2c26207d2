import type { BusInspection } from "@busbar/core";
import { type Command, Option } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { table } from "../output/table.ts";
import { counted } from "../output/text.ts";
import { age } from "../output/time.ts";
import { withProject } from "../project/open-project.ts";

/** Adds `busbar subscriptions` and the commands below it. */
export function addSubscriptions(program: Command, does: Does): void {
  const group = program
    .command("subscriptions")
    .alias("subs")
    .description("List subscriptions, and act on one in every process.");
  group
    .command("list")
    .description("List the subscriptions of all processes with their backlogs.")
    .addHelpText(
      "after",
      examples({ "busbar subscriptions list": "See what waits, and what is dead" }),
    )
    .action(does(list));
  group
    .command("retire")
    .description("End a subscription in every process, for good.")
    .argument("<id>", "id of the subscription")
    .option("--event <name...>", "take only these events from the subscription")
    .addOption(
      new Option("--backlog <what>", "what becomes of the deliveries that wait")
        .choices(["dead-letter", "discard", "keep"])
        .default("dead-letter"),
    )
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      examples({ "busbar subscriptions retire send-receipt": "The code of send-receipt is gone" }),
    )
    .action(does(retire));
}

type Listed = BusInspection["subscriptions"][number];

async function list(cli: Cli): Promise<void> {
  const { subscriptions } = await withProject(cli, ({ bus }) => bus.inspect());
  cli.printer.result(subscriptions, () => {
    if (subscriptions.length === 0) return "There are no subscriptions.";
    return table(
      subscriptions,
      [
        { title: "SUBSCRIPTION", of: ({ subscriberId }) => subscriberId, most: 50 },
        { title: "STATE", of: stateOf },
        { title: "READY", of: ({ ready }) => ready, align: "right" },
        { title: "DELAYED", of: ({ delayed }) => delayed, align: "right" },
        { title: "RUNNING", of: ({ inFlight }) => inFlight, align: "right" },
        { title: "DEAD", of: ({ dead }) => dead, align: "right" },
        { title: "OLDEST", of: ({ oldestAt }) => age(oldestAt) },
        { title: "EVENTS", of: ({ events }) => events.join(", "), most: 80 },
      ],
      cli.printer.paint,
    );
  });
}

function stateOf({ orphaned, withheld, paused, here }: Listed): string {
  if (orphaned) return `orphaned (${withheld} withheld)`;
  if (paused) return "paused";
  return here ? "active" : "no code here";
}

interface RetireFlags {
  readonly event?: readonly string[];
  readonly backlog: "dead-letter" | "discard" | "keep";
  readonly yes?: boolean;
}

async function retire(cli: Cli, id: string, flags: RetireFlags): Promise<void> {
  const { event: events, backlog } = flags;
  const count = await withProject(cli, async ({ bus }) => {
    const what = events === undefined ? `Subscription ${id} ends` : `${events.join(", ")} end`;
    await confirm(cli, `${what} in every process. Go on?`, flags.yes);
    return bus.retire(id, { events, backlog });
  });
  const done = {
    "dead-letter": "became dead letters",
    discard: "were discarded",
    keep: "were dealt with",
  };
  cli.printer.result({ subscriberId: id, events, backlog, count }, () =>
    backlog === "keep"
      ? "Retired."
      : `Retired. ${counted(count, "delivery", "deliveries")} ${done[backlog]}.`,
  );
}
