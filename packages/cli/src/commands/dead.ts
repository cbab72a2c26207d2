import { readFile } from "node:fs/promises";
import path from "node:path";
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterProgress,
  DeadReason,
  EventBus,
} from "@busbar/core";
import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { pointInTime, positiveNumber } from "../options.ts";
import { table } from "../output/table.ts";
import { counted, printable } from "../output/text.ts";
import { age } from "../output/time.ts";
import { withProject } from "../project/open-project.ts";

interface FilterFlags {
  readonly subscription?: string;
  readonly event?: string;
  readonly reason?: DeadReason;
  readonly error?: string;
  readonly text?: string;
  readonly since?: Date;
  readonly until?: Date;
}

interface BulkFlags extends FilterFlags {
  readonly id?: readonly string[];
  readonly all?: boolean;
  readonly limit?: number;
  readonly yes?: boolean;
}

/** Adds `busbar dead` and the commands below it. */
export function addDead(program: Command, does: Does): void {
  const group = program
    .command("dead")
    .description("List, show, replay and discard dead letters: deliveries that were given up.");
  withFilter(group.command("list"))
    .description("List dead letters, of each subscription the oldest first.")
    .option("--limit <count>", "how many to list at most", positiveNumber, 50)
    .addHelpText(
      "after",
      examples({
        "busbar dead list --subscription send-receipt": "What could send-receipt not handle?",
        "busbar dead list --error ECONNREFUSED --since 2h": "What died of an outage?",
      }),
    )
    .action(does(list));
  group
    .command("show")
    .description("Show a dead letter: its event, and each error with its stack.")
    .argument("<subscription>", "id of the subscription")
    .argument("<id>", "id of the dead letter, as `dead list` shows it")
    .action(does(show));
  withFilter(group.command("replay"))
    .description("Deliver dead letters again, to their subscription only.")
    .option("--id <id...>", "only these, of the subscription that --subscription names")
    .option("--data <file>", "deliver the one event of --id with the JSON of this file as its data")
    .option("--all", "all dead letters, where there is no filter")
    .option("--limit <count>", "how many to replay at most", positiveNumber)
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      examples({
        "busbar dead replay --subscription send-receipt": "The bug in send-receipt is fixed",
        "busbar dead replay --subscription send-receipt --id 17 --data order.json":
          "Repair the data of one event",
      }),
    )
    .action(does(replay));
  withFilter(group.command("discard"))
    .description("Delete dead letters for good.")
    .option("--id <id...>", "only these, of the subscription that --subscription names")
    .option("--all", "all dead letters, where there is no filter")
    .option("--limit <count>", "how many to delete at most", positiveNumber)
    .option("-y, --yes", "do not ask")
    .addHelpText("after", examples({ "busbar dead discard --until 90d --yes": "Delete old ones" }))
    .action(does(discard));
}

function withFilter(command: Command): Command {
  return command
    .option("-s, --subscription <id>", "only those of this subscription")
    .option("-e, --event <pattern>", "only events of this name or pattern, such as order.*")
    .option("--reason <reason>", "only those that died for this reason, such as failed")
    .option("--error <text>", "only those with this text in an error")
    .option("--text <text>", "only those with this text in ids, data or metadata")
    .option(
      "--since <time>",
      "only those that died since this time, or since so long: 2h",
      pointInTime,
    )
    .option(
      "--until <time>",
      "only those that died before this time, or longer ago: 7d",
      pointInTime,
    );
}

function filterOf(flags: FilterFlags): DeadLetterFilter {
  const { subscription, event, reason, error, text, since, until } = flags;
  return {
    subscriberId: subscription,
    eventName: event,
    reason,
    error,
    text,
    diedAfter: since,
    diedBefore: until,
  };
}

async function list(cli: Cli, flags: FilterFlags & { limit: number }): Promise<ExitCode> {
  const { printer, io } = cli;
  const { letters, hasMore } = await withProject(cli, async ({ bus }) => {
    const found: DeadLetter[] = [];
    let cursor: string | undefined;
    do {
      const limit = flags.limit - found.length;
      const { signal } = io;
      const page = await bus.deadLetters.search(filterOf(flags), { limit, cursor, signal });
      found.push(...page.items);
      ({ cursor } = page);
    } while (cursor !== undefined && found.length < flags.limit);
    return { letters: found, hasMore: cursor !== undefined };
  });
  printer.result(letters, () =>
    letters.length === 0
      ? "There are no such dead letters."
      : table(
          letters,
          [
            { title: "SUBSCRIPTION", of: ({ subscriberId }) => subscriberId, most: 40 },
            { title: "ID", of: ({ id }) => id },
            { title: "EVENT", of: ({ event }) => event.name, most: 40 },
            { title: "DIED", of: ({ diedAt }) => age(diedAt) },
            { title: "REASON", of: ({ reason }) => reason },
            { title: "ERROR", of: lastError, most: 80 },
          ],
          printer.paint,
        ),
  );
  if (hasMore) printer.note("There may be more: raise --limit, or narrow the filter.");
  return letters.length === 0 ? ExitCode.notFound : ExitCode.ok;
}

function lastError({ errors }: DeadLetter): string | undefined {
  const error = errors.at(-1);
  return error && `${error.name}: ${error.message}`;
}

async function show(cli: Cli, subscriberId: string, id: string): Promise<void> {
  const letter = await withProject(cli, ({ bus }) => bus.deadLetters.get(subscriberId, id));
  const { event, reason, attempts, errors, diedAt } = letter;
  const bold = (text: string): string => cli.printer.paint("bold", text);
  cli.printer.result(letter, () =>
    [
      `${bold("Dead letter")}   ${id} of ${subscriberId}`,
      `${bold("Event")}         ${printable(event.name)} ${printable(event.id)}`,
      `${bold("Reason")}        ${reason}, after ${counted(attempts, "attempt")}`,
      `${bold("Died")}          ${diedAt.toISOString()} (${age(diedAt)})`,
      bold("Metadata"),
      indented(JSON.stringify(event.metadata, null, 2)),
      bold("Data"),
      indented(JSON.stringify(event.data, null, 2)),
      ...errors.flatMap((error) => [
        bold(`Error at ${error.at.toISOString()}`),
        indented(error.stack ?? `${error.name}: ${error.message}`),
        ...(error.cause === undefined ? [] : [indented(`caused by ${error.cause}`)]),
      ]),
    ].join("\n"),
  );
}

function indented(text: string): string {
  return printable(text).replaceAll(/^/gm, "  ");
}

async function replay(cli: Cli, flags: BulkFlags & { readonly data?: string }): Promise<ExitCode> {
  const data = flags.data === undefined ? undefined : await readJson(cli, flags.data);
  if (data !== undefined && flags.id?.length !== 1) {
    throw new CommandFailure(ExitCode.usage, "--data is for one dead letter: name it with --id");
  }
  return bulk(cli, flags, "replay", "replayed", (bus, id, ids) =>
    bus.deadLetters.replay(id, ids, data === undefined ? {} : { data }),
  );
}

async function readJson({ io }: Cli, given: string): Promise<unknown> {
  const file = path.resolve(io.cwd, given);
  try {
    return JSON.parse(await readFile(file, "utf8")) as unknown;
  } catch (error) {
    throw new CommandFailure(
      ExitCode.usage,
      `${file} cannot be read as JSON: ${(error as Error).message}`,
    );
  }
}

function discard(cli: Cli, flags: BulkFlags): Promise<ExitCode> {
  return bulk(cli, flags, "discard", "discarded", (bus, id, ids) =>
    bus.deadLetters.discard(id, ids),
  );
}

type ById = (bus: EventBus, subscriberId: string, ids: readonly string[]) => Promise<number>;

/** Does something with dead letters that ids or a filter select: after a question with their number. */
async function bulk(
  cli: Cli,
  flags: BulkFlags,
  action: "replay" | "discard",
  done: string,
  byId: ById,
): Promise<ExitCode> {
  const where = filterOf(flags);
  const { id: ids, limit, subscription } = flags;
  if (ids !== undefined && subscription === undefined) {
    throw new CommandFailure(ExitCode.usage, "--id needs --subscription: ids are its own");
  }
  const hasFilter = Object.values(where).some((condition) => condition !== undefined);
  if (!hasFilter && flags.all !== true) {
    throw new CommandFailure(
      ExitCode.usage,
      `Which dead letters? Give a filter, or --all to ${action} every one`,
    );
  }
  const result = await withProject(cli, async ({ bus }) => {
    if (ids !== undefined) {
      await confirm(cli, `${ask(action)} ${counted(ids.length, "dead letter")}?`, flags.yes);
      const count = await byId(bus, subscription!, ids);
      const total = new Set(ids).size;
      return { total, looked: total, matched: count, done: count };
    }
    if (flags.yes !== true) {
      const count = await bus.deadLetters.count(where, { signal: cli.io.signal });
      if (count === 0) return { total: 0, looked: 0, matched: 0, done: 0 };
      const most = Math.min(count, limit ?? count);
      await confirm(cli, `${ask(action)} ${counted(most, "dead letter")}?`);
    }
    const call = action === "replay" ? "replayWhere" : "discardWhere";
    let last: DeadLetterProgress | undefined;
    const acting = bus.deadLetters[call](where, {
      limit,
      signal: cli.io.signal,
      onProgress(progress) {
        last = progress;
        cli.printer.progress(bar(progress, done));
      },
    });
    return acting.catch((error: unknown) => {
      throw withProgress(error, last, done);
    });
  });
  const { total, looked, matched } = result;
  const isInterrupted =
    cli.io.signal.aborted && looked < total && (limit === undefined || matched < limit);
  // Ids say exactly which dead letters there should be.
  const isPart = isInterrupted || (ids !== undefined && result.done < total);
  cli.printer.result(ids === undefined ? { ...result, interrupted: isInterrupted } : result, () => {
    const count = `${counted(result.done, "dead letter")} ${done}`;
    if (isInterrupted) return `Interrupted after ${looked} of ${total} dead letters: ${count}.`;
    return isPart ? `${count}, of ${counted(total, "id")}.` : `${count}.`;
  });
  if (isInterrupted) return ExitCode.failed;
  if (result.done === 0) return ExitCode.notFound;
  return isPart ? ExitCode.failed : ExitCode.ok;
}

/** Adds what was done to the message of a failure in the middle of the work. */
function withProgress(error: unknown, last: DeadLetterProgress | undefined, done: string): unknown {
  if (!(error instanceof Error) || last === undefined) return error;
  const before = `${counted(last.done, "dead letter")} ${done} before that`;
  return Object.assign(error, { message: `${error.message} (${before})` });
}

function ask(action: "replay" | "discard"): string {
  return action === "replay" ? "Replay" : "Delete for good";
}

/** `[#####     ] 500 of 1000 looked at, 20 replayed`. */
function bar({ looked, total, done }: DeadLetterProgress, what: string): string {
  const width = 20;
  const full = total === 0 ? width : Math.round((looked / total) * width);
  return `[${"#".repeat(full)}${" ".repeat(width - full)}] ${looked} of ${total} looked at, ${done} ${what}`;
}
