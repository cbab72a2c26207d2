import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { asyncApiOf } from "../events/asyncapi.ts";
import { checkEvents, type EventChanges, type EventFinding } from "../events/check-events.ts";
import { describeCatalogue } from "../events/describe-events.ts";
import {
  type Snapshot,
  readSnapshot,
  SNAPSHOT_FILE,
  snapshotOf,
  writeSnapshot,
} from "../events/snapshot.ts";
import { examples } from "../examples.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { table } from "../output/table.ts";
import { counted, printable } from "../output/text.ts";
import { type ProjectConfig, readProject, withProject } from "../project/open-project.ts";
import { takers } from "../events/release-diff.ts";
import { diff } from "./events-diff.ts";
import { explain } from "./events-explain.ts";

/** Adds `busbar events` and the commands below it. */
export function addEvents(program: Command, does: Does): void {
  const group = program
    .command("events")
    .description("List events, describe them, and check changes of their schemas.");
  group
    .command("list")
    .description("List the events of the catalogue, and who takes them.")
    .action(does(list));
  group
    .command("explain")
    .description("Say where events of a name go, and why: subscriptions, policies, queues.")
    .argument("<name>", "name of the event, such as order.placed")
    .addHelpText(
      "after",
      examples({ "busbar events explain order.placed": "Why does nobody get this event?" }),
    )
    .action(does(explain));
  group
    .command("asyncapi")
    .description("Describe the events of the catalogue as AsyncAPI 3.0.")
    .option("-o, --out <file>", "write to a file (default: standard output)")
    .addHelpText("after", examples({ "busbar events asyncapi --out asyncapi.json": "Publish it" }))
    .action(does(asyncapi));
  withFile(group.command("snapshot"))
    .description(
      `Write the events of the catalogue to ${SNAPSHOT_FILE}. Commit the file with each release.`,
    )
    .option("--accept", "write it even if a change breaks something")
    .action(does(snapshot));
  withFile(group.command("check"))
    .description(
      "Fail if a change of a schema breaks queued events or subscribers of the last release.",
    )
    .option("--allow-unknown", "pass where the comparison cannot tell")
    .addHelpText(
      "after",
      `\nThe check compares in both directions: what the last release has emitted must be valid now, and what the code\nemits now must be valid for handlers of the last release. It needs no connection.\n${examples(
        {
          "busbar events check": "Run it in CI, on each change",
        },
      )}`,
    )
    .action(does(check));
  withFile(group.command("diff"))
    .description(
      "Say what a release adds, removes and strands: events, and subscriptions on the provider.",
    )
    .addHelpText("after", examples({ "busbar events diff": "Run it before you deploy" }))
    .action(does(diff));
}

function withFile(command: Command): Command {
  return command.option("--file <file>", "the snapshot", SNAPSHOT_FILE);
}

interface FileFlags {
  readonly file: string;
}

async function list(cli: Cli): Promise<ExitCode> {
  const rows = await withProject(
    cli,
    async ({ bus, config }) => {
      const { subscriptions } = await bus.inspect();
      return describeCatalogue(config).map((event) => ({
        ...event,
        subscriptions: takers(event.name, subscriptions),
      }));
    },
    { shared: false },
  );
  cli.printer.result(rows, () =>
    rows.length === 0
      ? "The configuration has no catalogue: give it `events`, made by defineEvents()."
      : table(
          rows,
          [
            { title: "EVENT", of: ({ name }) => name },
            {
              title: "SCHEMA",
              of: ({ schema }) => (schema === undefined ? "no JSON Schema" : "yes"),
            },
            {
              title: "SUBSCRIPTIONS",
              of: ({ subscriptions }) => subscriptions.join(", ") || "none",
            },
          ],
          cli.printer.paint,
        ),
  );
  return rows.length === 0 ? ExitCode.notFound : ExitCode.ok;
}

async function asyncapi(cli: Cli, { out }: { readonly out?: string }): Promise<void> {
  const project = await readProject(cli);
  const document = asyncApiOf(describeCatalogue(project.config), await infoOf(project));
  const text = JSON.stringify(document, null, 2);
  if (out === undefined) {
    cli.io.stdout.write(`${printable(text)}\n`);
    return;
  }
  await writeFile(path.resolve(cli.io.cwd, out), `${text}\n`);
  cli.printer.result({ file: out }, () => `Wrote ${out}.`);
}

/** Name and version of the application, as its package says. */
async function infoOf({
  config,
  root,
}: ProjectConfig): Promise<{ title: string; version: string }> {
  const text = await readFile(path.join(root, "package.json"), "utf8").catch(() => "{}");
  const { name, version } = JSON.parse(text) as { name?: string; version?: string };
  return { title: config.name ?? name ?? "Events", version: version ?? "0.0.0" };
}

interface Compared {
  readonly before: Snapshot | undefined;
  readonly now: Snapshot;
  readonly changes: EventChanges;
  readonly file: string;
}

async function compareWithSnapshot(cli: Cli, given: string): Promise<Compared> {
  const { config, root } = await readProject(cli);
  const file = path.resolve(root, given);
  const before = await readSnapshot(file);
  const now = snapshotOf(describeCatalogue(config));
  return { before, now, file, changes: await checkEvents(before ?? {}, now, config.events) };
}

async function snapshot(
  cli: Cli,
  { file: given, accept }: FileFlags & { accept?: boolean },
): Promise<void> {
  const { now, changes, file } = await compareWithSnapshot(cli, given);
  const broken = changes.findings.filter(({ kind }) => kind === "breaks");
  if (broken.length > 0 && accept !== true) {
    cli.printer.note(report(cli, broken));
    throw new CommandFailure(
      ExitCode.failed,
      `${counted(broken.length, "change")} would break something, and the snapshot was not written`,
      "Give --accept if nothing is queued, and no process of the last release runs any more.",
    );
  }
  await writeSnapshot(file, now);
  const { added, removed, changed } = changes;
  cli.printer.result(
    { file: given, added, removed, changed },
    () =>
      `Wrote ${given}: ${counted(Object.keys(now).length, "event")}, ${added.length} added, ${changed.length} changed, ${removed.length} removed.`,
  );
}

async function check(cli: Cli, flags: FileFlags & { allowUnknown?: boolean }): Promise<ExitCode> {
  const { before, changes } = await compareWithSnapshot(cli, flags.file);
  if (before === undefined) {
    throw new CommandFailure(
      ExitCode.notFound,
      `There is no ${flags.file} next to the configuration`,
      "Write it with `busbar events snapshot`, and commit it.",
    );
  }
  const { added, changed, removed, findings } = changes;
  const fails = findings.some(({ kind }) => kind === "breaks" || flags.allowUnknown !== true);
  cli.printer.result({ ok: !fails, ...changes }, () => {
    const summary = `${added.length} added, ${changed.length} changed, ${removed.length} removed`;
    if (findings.length === 0) return `Nothing breaks: ${summary}.`;
    const end = fails ? "" : "\nNothing is known to break.";
    return `${report(cli, findings)}${end}`;
  });
  return fails ? ExitCode.failed : ExitCode.ok;
}

/** The findings, by event. */
function report({ printer }: Cli, findings: readonly EventFinding[]): string {
  const names = [...new Set(findings.map(({ event }) => event))];
  return names
    .map((name) => {
      const lines = findings
        .filter(({ event }) => event === name)
        .map(({ kind, affects, path: place, message }) => {
          const who = affects === "queued" ? "queued events" : "subscribers of the last release";
          const what =
            kind === "breaks"
              ? printer.paint("red", `breaks ${who}:`)
              : printer.paint("yellow", `cannot tell about ${who}:`);
          return `  ${what} ${printable(place)} ${printable(message)}`;
        });
      return [printer.paint("bold", printable(name)), ...lines].join("\n");
    })
    .join("\n");
}
