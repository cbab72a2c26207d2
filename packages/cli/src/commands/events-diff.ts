import path from "node:path";
import type { Cli } from "../cli.ts";
import { checkEvents } from "../events/check-events.ts";
import { describeCatalogue } from "../events/describe-events.ts";
import { readSnapshot, snapshotOf } from "../events/snapshot.ts";
import { strandedBy, takers } from "../events/release-diff.ts";
import { counted, printable } from "../output/text.ts";
import { withProject } from "../project/open-project.ts";

/** Says what deploying the code would add, remove and strand. */
export async function diff(cli: Cli, { file }: { readonly file: string }): Promise<void> {
  const { config, root, subscriptions } = await withProject(cli, async (project) => ({
    ...project,
    subscriptions: (await project.bus.inspect()).subscriptions,
  }));
  const before = await readSnapshot(path.resolve(root, file));
  const events = describeCatalogue(config);
  const { added, changed, removed } = await checkEvents(
    before ?? {},
    snapshotOf(events),
    config.events,
  );
  const result = {
    snapshot: before !== undefined,
    events: before === undefined ? undefined : { added, changed, removed },
    subscriptions: strandedBy(subscriptions),
    untaken: events
      .map(({ name }) => name)
      .filter((name) => takers(name, subscriptions).length === 0),
  };
  cli.printer.result(result, () => {
    const { added: newOnes, renamed, stranded, strandedEvents } = result.subscriptions;
    const lines = [
      ...(before === undefined ? [`There is no ${file}: changes of events are not shown.`] : []),
      ...(result.events?.added ?? []).map((name) => `+ event ${name}`),
      ...(result.events?.changed ?? []).map(
        (name) => `~ event ${name}: run \`busbar events check\``,
      ),
      ...(result.events?.removed ?? []).map((name) => `- event ${name}`),
      ...newOnes.map(
        ({ subscriberId, events: patterns }) =>
          `+ subscription ${subscriberId} (${patterns.join(", ")})`,
      ),
      ...renamed.map(({ from, to }) => `~ subscription ${from} becomes ${to}, with its backlog`),
      ...strandedEvents.map(
        ({ subscriberId, events: patterns }) =>
          `! ${subscriberId} still gets ${patterns.join(", ")}, and no code here handles them: busbar subscriptions retire ${subscriberId} --event ${patterns.join(" ")}`,
      ),
      ...stranded.map(
        ({ subscriberId, waiting, dead }) =>
          `! subscription ${subscriberId} has no code here: ${counted(waiting, "delivery waits", "deliveries wait")}, ${dead} dead. If no other application has it: busbar subscriptions retire ${subscriberId}`,
      ),
      ...result.untaken.map((name) => `? event ${name} goes to no subscription`),
    ];
    return lines.length === 0 ? "The code and the provider agree." : printable(lines.join("\n"));
  });
}
