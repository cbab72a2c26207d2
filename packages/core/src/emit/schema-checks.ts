import { BusbarError } from "../errors/errors.ts";
import type { CheckResult, EventCatalogue } from "../contract/catalogue.ts";
import { listed, quoted } from "../errors/quoted.ts";
import type { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

/** The part of a catalogue that is needed to check what is emitted. */
export type Schemas = Pick<EventCatalogue<object>, "check">;

/**
 * Checks envelopes against the schemas of their events, and gives them back. A promise only if a
 * schema's answer is one.
 *
 * @throws BusbarError `BUSBAR_INVALID_EVENT` for the first that does not match.
 */
export function checkAll(
  schemas: Schemas,
  envelopes: readonly OutgoingEnvelope[],
): readonly OutgoingEnvelope[] | Promise<readonly OutgoingEnvelope[]> {
  const checks = envelopes.map(({ name, data }) => ({ name, result: schemas.check(name, data) }));
  if (checks.some(({ result }) => result instanceof Promise)) {
    const answers = checks.map(async ({ name, result }) => assertValid(name, await result));
    return Promise.all(answers).then(() => envelopes);
  }
  for (const { name, result } of checks) assertValid(name, result as CheckResult);
  return envelopes;
}

/** Checks the data of one event. @throws BusbarError `BUSBAR_INVALID_EVENT`. */
export function checkData(
  schemas: Schemas | undefined,
  name: string,
  data: unknown,
): void | Promise<void> {
  const result = schemas?.check(name, data);
  return result instanceof Promise
    ? result.then((issues) => assertValid(name, issues))
    : assertValid(name, result);
}

function assertValid(event: string, issues: CheckResult): void {
  if (!issues) return;
  const reasons = issues.map(({ path, reason }) => `${path || "data"}: ${reason}`);
  throw new BusbarError(
    "BUSBAR_INVALID_EVENT",
    `Event ${quoted(event)} does not match its schema: ${listed(reasons)}`,
    { event, issues },
  );
}
