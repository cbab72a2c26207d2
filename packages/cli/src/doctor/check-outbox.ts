import type { OutboxFeature } from "../project/features.ts";
import { type Finding, failed, ok, warning } from "./finding.ts";

/** A relay publishes what is committed at once. */
const MOST_WAIT_MS = 60_000;

/** Looks at the tables of the outbox, and at what waits there. */
export async function checkOutbox(outbox: OutboxFeature, now: number): Promise<readonly Finding[]> {
  const what = "Outbox";
  try {
    const { pending, failed: refused, oldestAt } = await outbox.inspect();
    const findings: Finding[] = [];
    if (oldestAt !== undefined && now - oldestAt.getTime() > MOST_WAIT_MS) {
      const message = `${pending} events wait, the oldest since ${oldestAt.toISOString()}`;
      findings.push(warning(what, message, "Start a process whose outbox has a relay"));
    }
    if (refused > 0) {
      const message = `the provider has refused ${refused} events`;
      findings.push(warning(what, message, "Look at them: busbar outbox status"));
    }
    return findings.length > 0 ? findings : [ok(what, "the tables are there, and nothing is late")];
  } catch (error) {
    const message = `cannot be read: ${(error as Error).message}`;
    return [
      failed(what, message, "Run busbar outbox migrate, and look whether the database answers"),
    ];
  }
}
