import type { Command } from "commander";
import type { Cli, Does } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { examples } from "../examples.ts";
import { ExitCode } from "../exit-codes.ts";
import { positiveNumber } from "../options.ts";
import { table } from "../output/table.ts";
import { counted } from "../output/text.ts";
import { age } from "../output/time.ts";
import { outboxOf, readProject, withProject } from "../project/open-project.ts";

/** Adds `busbar outbox` and the commands below it. */
export function addOutbox(program: Command, does: Does): void {
  const group = program
    .command("outbox")
    .description("Look into the transactional outbox, bring its tables up to date, retry events.");
  group
    .command("status")
    .description("Show what waits in the outbox, and the events that the provider has refused.")
    .option("--limit <count>", "how many refused events to list at most", positiveNumber, 20)
    .action(does(status));
  group
    .command("migrate")
    .description("Bring the tables of outbox and inbox up to date.")
    .addHelpText(
      "after",
      examples({ "busbar outbox migrate": "Run it in a deployment, before the new code starts" }),
    )
    .action(does(migrate));
  group
    .command("retry")
    .description("Publish events again that the provider has refused.")
    .argument("[id...]", "ids of the rows, as `outbox status` shows them (default: all)")
    .option("-y, --yes", "do not ask")
    .action(does(retry));
}

async function status(cli: Cli, { limit }: { readonly limit: number }): Promise<ExitCode> {
  const { numbers, failed } = await withProject(
    cli,
    async ({ outbox }) => {
      const plugin = outbox();
      return { numbers: await plugin.inspect(), failed: await plugin.failed.list({ limit }) };
    },
    { shared: false },
  );
  // The relay is that of this process, which has none.
  const { pending, delayed, staged, oldestAt } = numbers;
  const counts = { pending, delayed, staged, failed: numbers.failed, oldestAt };
  const { printer } = cli;
  printer.result({ ...counts, refused: failed }, () => {
    const oldest = oldestAt === undefined ? "" : `, the oldest ${age(oldestAt)}`;
    const lines = [
      `pending  ${pending}${oldest}`,
      `delayed  ${delayed}`,
      `staged   ${staged}`,
      `refused  ${numbers.failed}`,
    ];
    if (failed.length === 0) return lines.join("\n");
    const rows = table(
      failed,
      [
        { title: "ID", of: ({ id }) => id },
        { title: "EVENT", of: ({ name }) => name, most: 40 },
        { title: "STAGED", of: ({ createdAt }) => age(createdAt) },
        { title: "TRIES", of: ({ attempts }) => attempts, align: "right" },
        { title: "ERROR", of: ({ error }) => error, most: 80 },
      ],
      printer.paint,
    );
    return `${lines.join("\n")}\n\n${rows}`;
  });
  return numbers.failed > 0 ? ExitCode.failed : ExitCode.ok;
}

/** Needs the database and no provider, so that a deployment can migrate before anything else runs. */
async function migrate(cli: Cli): Promise<void> {
  const { config } = await readProject(cli);
  const versions = await outboxOf(config.plugins ?? []).migrate();
  cli.printer.result({ applied: versions }, () =>
    versions.length === 0
      ? "The tables were up to date."
      : `The tables are up to date: applied ${counted(versions.length, "version")}.`,
  );
}

async function retry(
  cli: Cli,
  ids: readonly string[],
  flags: { readonly yes?: boolean },
): Promise<ExitCode> {
  const count = await withProject(
    cli,
    async ({ outbox }) => {
      const { failed } = outbox();
      if (ids.length > 0) return failed.retry(ids);
      await confirm(cli, "Publish every refused event again?", flags.yes);
      return failed.retry();
    },
    { shared: false },
  );
  cli.printer.result(
    { retried: count },
    () => `${counted(count, "event")} will be published again.`,
  );
  return count === 0 ? ExitCode.notFound : ExitCode.ok;
}
