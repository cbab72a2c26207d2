import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { pointInTime, positiveNumber } from "../options.ts";
import { table } from "../output/table.ts";
import { counted, printable } from "../output/text.ts";
import { age } from "../output/time.ts";
import type { WebhookDelivery, WebhookReplay, WebhooksFeature } from "../project/features.ts";
import { withProject } from "../project/open-project.ts";
import { waitFor } from "../wait-for.ts";
import { listen } from "./webhooks-listen.ts";

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
  withQuery(group.command("log"))
    .description("Search the log of deliveries, the newest first.")
    .option("--limit <count>", "how many to list at most", positiveNumber, 50)
    .addHelpText(
      "after",
      examples({
        "busbar webhooks log --query 'success: false' --since 2h": "What has failed lately?",
        "busbar webhooks log --query 'data.orderId: 42'": "Where did this order go?",
      }),
    )
    .action(does(log));
  group
    .command("show")
    .description("Show a delivery with its payload and all its attempts.")
    .argument("<id>", "id of the delivery, as `webhooks log` shows it")
    .action(does(show));
  withQuery(group.command("replay"))
    .description("Deliver again: one delivery, one event, or all that a query finds.")
    .option("--id <id>", "only this delivery")
    .option("--event-id <id>", "match this event anew, for all subscriptions that want it now")
    .option(
      "--per-second <count>",
      "how many deliveries to begin in a second at most",
      positiveNumber,
    )
    .option("--dry-run", "only count what would be delivered again")
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `\nThe processes of the application deliver. Ctrl-C ends the replay; what it has begun goes on.\n${examples(
        {
          "busbar webhooks replay --query 'success: false' --since 1d --dry-run":
            "How many would it be?",
        },
      )}`,
    )
    .action(does(replay));
  group
    .command("listen")
    .description("Forward new deliveries to a URL on your machine, until Ctrl-C.")
    .requiredOption("--forward-to <url>", "where to send them, such as http://localhost:3000/hooks")
    .option("--event <pattern>", "only events of this name or pattern", "**")
    .option("--subscription <id>", "only deliveries of this webhook subscription")
    .option(
      "--secret <secret>",
      "sign with this whsec_… secret (default: a new one, which is shown)",
    )
    .addHelpText(
      "after",
      `\nThe command follows the delivery log, so it needs no public URL. It forwards each event once, as the payload that\na subscription of the application has, and signs it anew. Values that a subscription redacts are redacted here.\n${examples(
        {
          "busbar webhooks listen --forward-to http://localhost:3000/hooks": "Write a receiver",
        },
      )}`,
    )
    .action(does(listen));
}

function withQuery(command: Command): Command {
  return command
    .option("--query <query>", "query in the syntax of Lucene, as in the dashboard")
    .option("--since <time>", "only what began at this time, or since so long: 2h", pointInTime);
}

interface ListFlags {
  readonly event?: string;
  readonly text?: string;
  readonly limit: number;
}

async function list(cli: Cli, { event, text, limit }: ListFlags): Promise<ExitCode> {
  const filter = { ...(event !== undefined && { event }), ...(text !== undefined && { text }) };
  const { items } = await withWebhooks(cli, (hooks) => hooks.subscriptions.list(filter, { limit }));
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

/** The database is where processes meet: the provider does not matter. */
function withWebhooks<T>(cli: Cli, work: (hooks: WebhooksFeature) => Promise<T>): Promise<T> {
  return withProject(cli, ({ webhooks }) => work(webhooks()), { shared: false });
}

interface QueryFlags {
  readonly query?: string;
  readonly since?: Date;
}

async function log(
  cli: Cli,
  { query, since, limit }: QueryFlags & { readonly limit: number },
): Promise<ExitCode> {
  const { items, cursor } = await withWebhooks(cli, (hooks) =>
    hooks.log.deliveries({ query, since }, { limit: Math.min(limit, 500) }),
  );
  cli.printer.result(items, () =>
    items.length === 0
      ? "There are no such deliveries."
      : table(
          items,
          [
            { title: "ID", of: ({ id }) => id },
            { title: "EVENT", of: ({ eventName }) => eventName, most: 40 },
            { title: "STATE", of: ({ state }) => state },
            { title: "STATUS", of: ({ lastStatus }) => lastStatus ?? undefined },
            { title: "MADE", of: ({ createdAt }) => age(createdAt) },
            { title: "WHAT HAPPENED", of: ({ statusText }) => statusText, most: 50 },
            { title: "DESTINATION", of: ({ destination }) => destination, most: 60 },
          ],
          cli.printer.paint,
        ),
  );
  if (cursor !== null)
    cli.printer.note("There are more: raise --limit (500 at most), or narrow it.");
  return items.length === 0 ? ExitCode.notFound : ExitCode.ok;
}

async function show(cli: Cli, id: string): Promise<void> {
  const trace = await withWebhooks(cli, (hooks) => hooks.log.trace(id));
  if (trace === undefined) {
    throw new CommandFailure(ExitCode.notFound, `There is no delivery ${id}`);
  }
  const { delivery, payload, attempts } = trace;
  const bold = (text: string): string => cli.printer.paint("bold", text);
  cli.printer.result(trace, () =>
    [
      `${bold("Delivery")}     ${printable(delivery.id)}`,
      `${bold("Event")}        ${printable(delivery.eventName)} ${printable(delivery.eventId)}`,
      `${bold("Destination")}  ${printable(delivery.destination)}`,
      `${bold("State")}        ${delivery.state}: ${printable(delivery.statusText)}`,
      bold("Payload"),
      printable(JSON.stringify(payload, null, 2)).replaceAll(/^/gm, "  "),
      bold("Attempts"),
      ...attempts.map(({ number, startedAt, success, status, error, durationMs }) => {
        const how = success ? "delivered" : printable(error ?? "failed");
        return `  ${number}  ${startedAt.toISOString()}  ${status ?? "-"}  ${durationMs} ms  ${how}`;
      }),
    ].join("\n"),
  );
}

interface ReplayFlags extends QueryFlags {
  readonly id?: string;
  readonly eventId?: string;
  readonly perSecond?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

async function replay(cli: Cli, flags: ReplayFlags): Promise<ExitCode> {
  const { id, eventId, query, since, perSecond, dryRun, yes } = flags;
  const given = [id, eventId, query ?? since].filter((it) => it !== undefined);
  if (given.length !== 1) {
    throw new CommandFailure(
      ExitCode.usage,
      "Give one of --id, --event-id, and --query or --since",
    );
  }
  return withWebhooks(cli, async (hooks) => {
    if (id !== undefined) return replayOne(cli, hooks, id);
    if (eventId !== undefined) return replayEvent(cli, hooks, eventId);
    const count = await hooks.replays.count({ query, since });
    if (dryRun === true || count === 0) {
      cli.printer.result({ count }, () => `${counted(count, "delivery", "deliveries")} match.`);
      return count === 0 ? ExitCode.notFound : ExitCode.ok;
    }
    await confirm(cli, `Deliver ${counted(count, "delivery", "deliveries")} again?`, yes);
    const begun = await hooks.replays.start({
      query,
      since,
      ...(perSecond !== undefined && { perSecond }),
    });
    return followReplay(cli, hooks, begun);
  });
}

async function replayOne(cli: Cli, hooks: WebhooksFeature, id: string): Promise<ExitCode> {
  const delivery: WebhookDelivery = await hooks.replays.delivery(id);
  cli.printer.result(delivery, () => `Delivery ${id} is ${delivery.state}.`);
  return ExitCode.ok;
}

async function replayEvent(cli: Cli, hooks: WebhooksFeature, id: string): Promise<ExitCode> {
  const result = await hooks.replays.event(id);
  cli.printer.result(result, () =>
    result.deliveries === null
      ? "The payload is made first: the deliveries follow."
      : `${counted(result.deliveries, "delivery", "deliveries")} begun again.`,
  );
  return ExitCode.ok;
}

async function followReplay(
  cli: Cli,
  hooks: WebhooksFeature,
  begun: WebhookReplay,
): Promise<ExitCode> {
  let replayed = begun;
  while (replayed.state === "running") {
    cli.printer.progress(`${replayed.done + replayed.skipped} of ${replayed.total} begun again`);
    if (!(await waitFor(POLL_EVERY_MS, cli.io.signal))) {
      replayed = await hooks.replays.cancel(begun.id);
      break;
    }
    replayed = (await hooks.replays.get(begun.id)) ?? replayed;
  }
  const { state, done, skipped, error } = replayed;
  cli.printer.result(replayed, () => {
    const reason = error === null ? "" : `: ${printable(error)}`;
    return `Replay ${state}${reason}: ${done} begun again, ${skipped} skipped.`;
  });
  return state === "done" ? ExitCode.ok : ExitCode.failed;
}

const POLL_EVERY_MS = 500;
