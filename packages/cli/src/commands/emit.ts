import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Cli, Does } from "../cli.ts";
import { examples } from "../examples.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { wholeNumber } from "../options.ts";
import { withProject } from "../project/open-project.ts";

interface EmitFlags {
  readonly id?: string;
  readonly delay?: number;
  readonly priority?: string;
  readonly key?: string;
  readonly deduplicationId?: string;
  readonly to?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Adds `busbar emit`. */
export function addEmit(program: Command, does: Does): void {
  program
    .command("emit")
    .description("Emit an event. The data is checked against the schema of the event.")
    .argument("<name>", "name of the event, such as order.placed")
    .argument("[data]", "data as JSON; @file reads a file, - reads standard input", "null")
    .option("--id <id>", "id of the event (default: a new one)")
    .option("--delay <ms>", "deliver the event only after so many milliseconds", wholeNumber)
    .option("--priority <priority>", "high, normal or low, or a number from 1")
    .option("--key <key>", "ordering key: events of one key are delivered in order")
    .option("--deduplication-id <id>", "ignore the event if this id was used a short time ago")
    .option("--to <id...>", "deliver the event to these subscriptions only")
    .option("-m, --metadata <key=value>", "add a text to the metadata; may be repeated", pair)
    .addHelpText(
      "after",
      examples({
        [`busbar emit order.placed '{"orderId":"42"}'`]: "Emit an event with data",
        "busbar emit order.placed @order.json --delay 60000": "Read the data from a file",
      }),
    )
    .action(
      does(async (cli, name: string, data: string, flags: EmitFlags) => {
        const value = await readData(cli, data);
        const ids = await withProject(cli, ({ bus }) =>
          bus.emit({
            name,
            data: value,
            id: flags.id,
            metadata: flags.metadata,
            options: {
              delay: flags.delay,
              priority: priorityOf(flags.priority),
              orderingKey: flags.key,
              deduplicationId: flags.deduplicationId,
              to: flags.to,
            },
          }),
        );
        cli.printer.result({ name, id: ids[0] }, () => `${name} ${ids[0]}`);
      }),
    );
}

async function readData(cli: Cli, given: string): Promise<unknown> {
  const text = await readText(cli, given);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CommandFailure(
      ExitCode.usage,
      `The data is not JSON: ${(error as Error).message}`,
      `A text needs quotation marks within the quotes of the shell: '"42"'.`,
    );
  }
}

async function readText({ io }: Cli, given: string): Promise<string> {
  if (given === "-") return io.readInput();
  if (!given.startsWith("@")) return given;
  const file = path.resolve(io.cwd, given.slice(1));
  return readFile(file, "utf8").catch((error: Error) => {
    throw new CommandFailure(ExitCode.usage, `${file} cannot be read: ${error.message}`);
  });
}

function priorityOf(given: string | undefined): "high" | "normal" | "low" | number | undefined {
  if (given === undefined || given === "high" || given === "normal" || given === "low")
    return given;
  return Number(given);
}

function pair(given: string, before: Record<string, string> = {}): Record<string, string> {
  const at = given.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write it as key=value.");
  return { ...before, [given.slice(0, at)]: given.slice(at + 1) };
}
