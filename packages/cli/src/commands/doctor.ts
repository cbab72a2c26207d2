import { type Logger, systemClock } from "@busbar/core";
import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { checkHealth, checkInspection } from "../doctor/check-bus.ts";
import { checkNode, checkPackages } from "../doctor/check-installation.ts";
import { checkOutbox } from "../doctor/check-outbox.ts";
import { failed, type Finding, ok, warning } from "../doctor/finding.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { printable, type Style } from "../output/text.ts";
import { type ProjectConfig, readProject, withProject } from "../project/open-project.ts";

/** Adds `busbar doctor`. */
export function addDoctor(program: Command, does: Does): void {
  program
    .command("doctor")
    .description("Look for what is wrong with installation, configuration and servers.")
    .addHelpText(
      "after",
      `\nLooks at Node.js, packages and their peers, the name of the bus, the server of the provider (persistence, eviction,\nclock), what this process may read, instances, subscriptions, and the outbox. Exit code 1: something does not work.\nWarnings alone end with 0.\n`,
    )
    .action(does(doctor));
}

async function doctor(cli: Cli): Promise<ExitCode> {
  const findings: Finding[] = [checkNode(process.versions.node)];
  const project = await readConfiguration(cli, findings);
  if (project !== undefined) {
    findings.push(...(await checkPackages(project.root)));
    findings.push(...(await checkServers(cli, project)));
  }
  const { printer } = cli;
  const hasFailed = findings.some(({ status }) => status === "failed");
  printer.result({ ok: !hasFailed, findings }, () =>
    findings.map((finding) => textOf(cli, finding)).join("\n"),
  );
  return hasFailed ? ExitCode.failed : ExitCode.ok;
}

async function readConfiguration(
  cli: Cli,
  findings: Finding[],
): Promise<ProjectConfig | undefined> {
  try {
    const project = await readProject(cli);
    findings.push(ok("Configuration", project.file));
    return project;
  } catch (error) {
    const hint = error instanceof CommandFailure ? error.hint : undefined;
    const advice = hint ?? "Correct what the message names";
    findings.push(failed("Configuration", (error as Error).message, advice));
    return undefined;
  }
}

/** What the provider warns of at its start says what is wrong with its server. */
async function checkServers(cli: Cli, { config }: ProjectConfig): Promise<readonly Finding[]> {
  const logged: Finding[] = [];
  const keep = (_: object, message: string): void => {
    logged.push(
      warning("Server", message, "See how to run the provider in production, in the documentation"),
    );
  };
  const nothing = (): void => {};
  const logger: Logger = { debug: nothing, info: nothing, warn: keep, error: keep };
  const findings: Finding[] = [];
  try {
    await withProject(
      cli,
      async ({ bus, capabilities, outbox }) => {
        findings.push(...checkHealth(await bus.health()));
        if (capabilities.durable) {
          findings.push(nameFinding(config.name), ...checkInspection(await bus.inspect()));
          await bus.deadLetters.list({ limit: 1 });
          findings.push(ok("Permissions", "subscriptions, queues and dead letters can be read"));
        } else {
          const message = "events are kept in memory, and lost with the process";
          findings.push(
            warning(
              "Provider",
              message,
              "Use a durable one, such as @busbar/redis, @busbar/postgres or @busbar/nats",
            ),
          );
        }
        if ((config.plugins ?? []).some(({ name }) => name === "outbox")) {
          findings.push(...(await checkOutbox(outbox(), systemClock.now())));
        }
      },
      { shared: false, logger },
    );
  } catch (error) {
    const message = (error as Error).message;
    findings.push(failed("Start", message, "Correct what the message names, and run it again"));
  }
  return [...findings, ...logged];
}

function nameFinding(name: string | undefined): Finding {
  return name === undefined
    ? warning(
        "Name",
        "the bus has the default name, and shares its events with every application that has it",
        "Set `name` in the configuration",
      )
    : ok("Name", name);
}

const MARKS: Readonly<Record<Finding["status"], readonly [Style, string]>> = {
  ok: ["green", "ok     "],
  warning: ["yellow", "warning"],
  failed: ["red", "failed "],
};

function textOf({ printer }: Cli, { what, status, message, advice }: Finding): string {
  const [style, mark] = MARKS[status];
  const line = `${printer.paint(style, mark)}  ${what}: ${printable(message)}`;
  return advice === undefined ? line : `${line}\n         ${printable(advice)}`;
}
