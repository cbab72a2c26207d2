import type { TailEntry } from "@busbar/core";
import { matchesPattern } from "@busbar/core/provider";
import { type Command, Option } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { positiveNumber } from "../options.ts";
import { cutTo, printable, type Style } from "../output/text.ts";
import { withProject } from "../project/open-project.ts";

type EntryType = Exclude<TailEntry["type"], "dropped">;
type TailedEvent = Extract<TailEntry, { type: EntryType }>;

interface TailFlags {
  readonly event?: string;
  readonly subscription?: string;
  readonly type?: readonly EntryType[];
  readonly text?: string;
  readonly count?: number;
}

const STYLES: Readonly<Record<EntryType, Style>> = {
  emitted: "cyan",
  unrouted: "yellow",
  delivered: "green",
  failed: "yellow",
  dead: "red",
  released: "dim",
};

/** Adds `busbar tail`. */
export function addTail(program: Command, does: Does): void {
  program
    .command("tail")
    .description("Show what happens to events in all processes, as it happens, until Ctrl-C.")
    .option("-e, --event <pattern>", "only events of this name or pattern, such as order.*")
    .option("-s, --subscription <id>", "only deliveries to this subscription")
    .addOption(
      new Option("--type <type...>", "only what has happened so").choices(Object.keys(STYLES)),
    )
    .option("--text <text>", "only entries whose JSON has this text, such as an id")
    .option("-n, --count <count>", "end after so many entries", positiveNumber)
    .addHelpText(
      "after",
      examples({
        "busbar tail --event order.*": "Watch orders",
        "busbar tail --type failed dead --json": "One line of JSON for each failure",
      }),
    )
    .action(does(tail));
}

async function tail(cli: Cli, flags: TailFlags): Promise<void> {
  const { printer, io } = cli;
  // Ends the tail after the last entry that is wanted; the command itself goes on to stop the bus.
  const enough = new AbortController();
  await withProject(cli, async ({ bus, name }) => {
    const entries = bus.tail({ signal: AbortSignal.any([io.signal, enough.signal]) });
    printer.note(`Watching ${name}. End it with Ctrl-C.`);
    let left = flags.count ?? Infinity;
    for await (const entry of entries) {
      if (entry.type === "dropped") {
        printer.entry(
          entry,
          () => `… ${entry.count} entries are left out: more than a tail can show`,
        );
        continue;
      }
      if (!isWanted(entry, flags)) continue;
      printer.entry(entry, () => lineOf(cli, entry));
      left -= 1;
      if (left <= 0) enough.abort();
    }
  });
}

function isWanted(entry: TailedEvent, { event, subscription, type, text }: TailFlags): boolean {
  return (
    (event === undefined || matchesPattern(event, entry.event.name)) &&
    (subscription === undefined || entry.subscriberId === subscription) &&
    (type === undefined || type.includes(entry.type)) &&
    (text === undefined || JSON.stringify(entry).includes(text))
  );
}

function lineOf({ printer, io }: Cli, entry: TailedEvent): string {
  const { type, at, event, subscriberId, attempt, durationMs, error, reason, delayMs, data } =
    entry;
  const facts = [
    subscriberId !== undefined && `to ${subscriberId}`,
    attempt !== undefined && attempt > 1 && `attempt ${attempt}`,
    durationMs !== undefined && `${Math.round(durationMs)} ms`,
    error && `${error.name}: ${error.message}`,
    reason !== undefined && reason,
    delayMs !== undefined && `again in ${delayMs} ms`,
    data !== undefined && JSON.stringify(data),
  ].filter((fact) => typeof fact === "string");
  const time = at.toISOString().slice(11, 23);
  const head = `${time}  ${type.padEnd(9)}  ${event.name}  ${event.id}`;
  const rest = facts.join("  ");
  const width = (io.stdout.columns ?? 200) - 10;
  const line = cutTo(
    printable(`${head}  ${rest}`).replaceAll(/\s*\n\s*/g, " "),
    Math.max(80, width),
  );
  return printer.paint(STYLES[type], line);
}
