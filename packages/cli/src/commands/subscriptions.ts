import type { BusInspection } from "@busbar/core";
import { type Command, Option } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { ExitCode } from "../exit-codes.ts";
import { positiveNumber } from "../options.ts";
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
    .command("pause")
    .description("Stop deliveries to a subscription in every process. Its events wait.")
    .argument("<id>", "id of the subscription")
    .addHelpText(
      "after",
      "\nProcesses follow within 5 seconds. Handlers that run go on. The pause lasts until `resume`.\n",
    )
    .action(does((cli, id: string) => setPaused(cli, id, true)));
  group
    .command("resume")
    .description("Deliver again after `pause`.")
    .argument("<id>", "id of the subscription")
    .action(does((cli, id: string) => setPaused(cli, id, false)));
  group
    .command("waiting")
    .description("List the deliveries of a subscription that have not begun.")
    .argument("<id>", "id of the subscription")
    .option("--event-id <id>", "only the deliveries of this event")
    .option("--limit <count>", "how many to list at most", positiveNumber, 50)
    .addHelpText(
      "after",
      examples({
        "busbar subscriptions waiting send-receipt --event-id 0198…":
          "Is this event still to come?",
      }),
    )
    .action(does(waiting));
  group
    .command("drain")
    .description("Empty the queue of a subscription, which goes on with its next events.")
    .argument("<id>", "id of the subscription")
    .addOption(
      new Option("--backlog <what>", "what becomes of the deliveries that wait")
        .choices(["dead-letter", "discard"])
        .default("dead-letter"),
    )
    .option("-y, --yes", "do not ask")
    .action(does(drain));
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

function stateOf({ orphaned, withheld, pausedEverywhere, here }: Listed): string {
  if (orphaned) return `orphaned (${withheld} withheld)`;
  if (pausedEverywhere) return "paused";
  return here ? "active" : "no code here";
}

async function setPaused(cli: Cli, subscriberId: string, paused: boolean): Promise<void> {
  await withProject(cli, ({ bus }) =>
    paused
      ? bus.pause(subscriberId, { everywhere: true })
      : bus.resume(subscriberId, { everywhere: true }),
  );
  cli.printer.result({ subscriberId, pausedEverywhere: paused }, () =>
    paused ? `${subscriberId} is paused in every process.` : `${subscriberId} goes on.`,
  );
}

interface WaitingFlags {
  readonly eventId?: string;
  readonly limit: number;
}

async function waiting(cli: Cli, id: string, { eventId, limit }: WaitingFlags): Promise<ExitCode> {
  const { items, cursor } = await withProject(cli, ({ bus }) =>
    bus.waiting(id, { eventId, limit }),
  );
  cli.printer.result(items, () =>
    items.length === 0
      ? "No such deliveries wait."
      : table(
          items,
          [
            { title: "EVENT", of: ({ event }) => event.name, most: 40 },
            { title: "EVENT ID", of: ({ event }) => event.id },
            { title: "STATE", of: ({ state }) => state },
            { title: "DUE", of: ({ dueAt }) => dueAt?.toISOString() },
            { title: "PUBLISHED", of: ({ event }) => age(event.metadata.publishedAt) },
            { title: "DATA", of: ({ event }) => JSON.stringify(event.data), most: 80 },
          ],
          cli.printer.paint,
        ),
  );
  if (cursor !== undefined) cli.printer.note("There are more: raise --limit.");
  return items.length === 0 ? ExitCode.notFound : ExitCode.ok;
}

interface DrainFlags {
  readonly backlog: "dead-letter" | "discard";
  readonly yes?: boolean;
}

async function drain(cli: Cli, id: string, { backlog, yes }: DrainFlags): Promise<void> {
  const count = await withProject(cli, async ({ bus }) => {
    const becomes = backlog === "discard" ? "is deleted for good" : "becomes dead letters";
    await confirm(cli, `All that waits for ${id} ${becomes}. Go on?`, yes);
    return bus.drain(id, { backlog });
  });
  const done = backlog === "discard" ? "discarded" : "moved to the dead letters";
  cli.printer.result(
    { subscriberId: id, backlog, count },
    () => `${counted(count, "delivery", "deliveries")} ${done}.`,
  );
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
    "dead-letter": "moved to the dead letters",
    discard: "discarded",
    keep: "kept",
  };
  cli.printer.result({ subscriberId: id, events, backlog, count }, () =>
    backlog === "keep"
      ? "Retired."
      : `Retired. ${counted(count, "delivery", "deliveries")} ${done[backlog]}.`,
  );
}
