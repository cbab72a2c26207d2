import type { Explanation } from "@busbar/core";
import type { Cli } from "../cli.ts";
import { ExitCode } from "../exit-codes.ts";
import { counted, printable } from "../output/text.ts";
import { withProject } from "../project/open-project.ts";

/** Says where events of a name go, and why. */
export async function explain(cli: Cli, name: string): Promise<ExitCode> {
  const explanation = await withProject(cli, ({ bus }) => bus.explain(name));
  cli.printer.result(explanation, () => printable(textOf(explanation)));
  return explanation.subscriptions.length === 0 ? ExitCode.notFound : ExitCode.ok;
}

function textOf({ name, declared, subscriptions, nearMisses }: Explanation): string {
  const catalogue = declared ? "is in the catalogue" : "is not in the catalogue";
  const head = `${name} ${catalogue}, and goes to ${counted(subscriptions.length, "subscription")}.`;
  const taken = subscriptions.map(
    ({ subscriberId, matchedBy, here, orphaned, paused, policy, queue, instances }) => {
      const { attempts, timeoutMs, concurrency, ordering } = policy;
      const states = [orphaned && "orphaned", paused && "paused", !here && "no code here"];
      const facts = [
        `by ${matchedBy.join(", ")}`,
        `run by ${counted(instances, "instance")}`,
        attempts !== undefined && counted(attempts, "attempt"),
        timeoutMs !== undefined && `time limit ${timeoutMs} ms`,
        concurrency !== undefined && `${concurrency} at a time`,
        ordering !== "none" && `in order: ${ordering}`,
        queue !== undefined && `queue ${queue}`,
      ];
      const state = states.filter(Boolean).join(", ");
      return `  ${subscriberId}${state === "" ? "" : ` (${state})`}\n    ${facts.filter(Boolean).join("; ")}`;
    },
  );
  const near = nearMisses.map(
    ({ subscriberId, event }) => `  Nearly: ${subscriberId} takes ${event}. Is it mistyped?`,
  );
  return [head, ...taken, ...near].join("\n");
}
