import type { ScheduleInfo, Schedules } from "@busbar/core";
import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { table } from "../output/table.ts";
import { age } from "../output/time.ts";
import { withProject } from "../project/open-project.ts";

/** Adds `busbar schedules` and the commands below it. */
export function addSchedules(program: Command, does: Does): void {
  const group = program
    .command("schedules")
    .description("List the schedules of all processes, and act on one.");
  group
    .command("list")
    .description("List the schedules with their next due times.")
    .addHelpText("after", examples({ "busbar schedules list": "See what is due next" }))
    .action(does(list));
  group
    .command("show")
    .description("Show one schedule with its event and its last error.")
    .argument("<id>", "id of the schedule")
    .action(does(show));
  group
    .command("pause")
    .description("Emit nothing at the due times of a schedule, until `resume`.")
    .argument("<id>", "id of the schedule")
    .action(does((cli, id: string) => change(cli, id, "pause", `${id} is paused.`)));
  group
    .command("resume")
    .description("Go on with a paused schedule at its next due time.")
    .argument("<id>", "id of the schedule")
    .action(does((cli, id: string) => change(cli, id, "resume", `${id} goes on.`)));
  group
    .command("trigger")
    .description("Emit the event of a schedule now. Its due times stay.")
    .argument("<id>", "id of the schedule")
    .action(does(trigger));
  group
    .command("remove")
    .description("Remove a schedule in every process, for good.")
    .argument("<id>", "id of the schedule")
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      "\nA schedule that the configuration has is set again when a process starts.\n",
    )
    .action(does(remove));
}

async function list(cli: Cli): Promise<void> {
  const schedules = await withProject(cli, ({ bus }) => bus.schedules.list());
  cli.printer.result(schedules, () => {
    if (schedules.length === 0) return "There are no schedules.";
    return table(
      schedules,
      [
        { title: "SCHEDULE", of: ({ id }) => id, most: 50 },
        { title: "STATE", of: stateOf },
        { title: "DUE", of: ({ schedule }) => timesOf(schedule) },
        { title: "NEXT", of: ({ nextDueAt }) => nextDueAt?.toISOString() },
        { title: "LAST", of: ({ lastFiredAt }) => age(lastFiredAt) },
        { title: "EMITTED", of: ({ emitted }) => emitted, align: "right" },
        { title: "EVENT", of: ({ schedule }) => schedule.event, most: 40 },
      ],
      cli.printer.paint,
    );
  });
}

function stateOf({ paused, lastError, nextDueAt }: ScheduleInfo): string {
  if (paused) return "paused";
  if (lastError) return "failing";
  return nextDueAt ? "active" : "ended";
}

function timesOf(schedule: ScheduleInfo["schedule"]): string {
  if (schedule.cron === undefined) return `every ${schedule.everyMs} ms`;
  return `${schedule.cron} ${schedule.timeZone ?? "UTC"}`;
}

async function show(cli: Cli, id: string): Promise<void> {
  const info = await withProject(cli, ({ bus }) => found(bus.schedules, id));
  const { schedule, nextDueAt, lastDueAt, lastFiredAt, emitted, lastError } = info;
  cli.printer.result(info, () =>
    [
      `schedule  ${id}`,
      `state     ${stateOf(info)}`,
      `due       ${timesOf(schedule)}`,
      `misfire   ${schedule.misfire ?? "once"}`,
      `event     ${schedule.event} ${JSON.stringify(schedule.data)}`,
      `next due  ${nextDueAt?.toISOString() ?? "-"}`,
      `last due  ${lastDueAt?.toISOString() ?? "-"}`,
      `emitted   ${emitted}${lastFiredAt ? `, the last one ${age(lastFiredAt)}` : ""}`,
      ...(lastError
        ? [
            `error     ${lastError.message}`,
            `          after ${lastError.attempts} attempts, next at ${lastError.retryAt.toISOString()}`,
          ]
        : []),
    ].join("\n"),
  );
}

async function found(schedules: Schedules, id: string): Promise<ScheduleInfo> {
  const info = await schedules.get(id);
  if (info) return info;
  throw new CommandFailure(ExitCode.notFound, `There is no schedule "${id}".`);
}

async function change(
  cli: Cli,
  id: string,
  method: "pause" | "resume",
  done: string,
): Promise<void> {
  await withProject(cli, ({ bus }) => bus.schedules[method](id));
  cli.printer.result({ id, paused: method === "pause" }, () => done);
}

async function trigger(cli: Cli, id: string): Promise<void> {
  const eventId = await withProject(cli, ({ bus }) => bus.schedules.trigger(id));
  cli.printer.result({ id, eventId }, () => `Emitted ${eventId}.`);
}

async function remove(
  cli: Cli,
  id: string,
  { yes }: { readonly yes?: boolean },
): Promise<ExitCode> {
  const removed = await withProject(cli, async ({ bus }) => {
    await confirm(cli, `Schedule ${id} ends in every process. Go on?`, yes);
    return bus.schedules.remove(id);
  });
  cli.printer.result({ id, removed }, () =>
    removed ? "Removed." : `There is no schedule "${id}".`,
  );
  return removed ? ExitCode.ok : ExitCode.notFound;
}
