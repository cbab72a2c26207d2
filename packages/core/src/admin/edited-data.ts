import type { Issue } from "../contract/issue.ts";
import type { JsonValue } from "../contract/json.ts";
import { checkData, type Schemas } from "../emit/schema-checks.ts";
import { BusbarError } from "../errors/errors.ts";
import { listed, quoted } from "../errors/quoted.ts";
import { copyAsJson, JsonWalk } from "../values/json.ts";

/** What data has to be to take the place of an event's own. */
export interface DataRules {
  readonly schemas: Schemas | undefined;
  readonly maxPayloadBytes: number;
}

/**
 * Checks data that takes the place of a dead letter's, as an emit would. Resolves with a copy.
 *
 * @throws BusbarError `BUSBAR_INVALID_MESSAGE` for data that is not JSON or too large, and `BUSBAR_INVALID_EVENT` for
 *   data that does not match the schema of the event.
 */
export async function checkEditedData(
  name: string,
  data: unknown,
  { schemas, maxPayloadBytes }: DataRules,
): Promise<JsonValue> {
  const issues: Issue[] = [];
  const walk = new JsonWalk(maxPayloadBytes);
  const copy = copyAsJson(data, "", "data", issues, walk);
  if (issues.length === 0) walk.check(copy, undefined, "", issues);
  if (issues.length > 0) {
    const lines = issues.map(({ path, reason }) => `${path}: ${reason}`);
    const message = `Cannot replay ${quoted(name)}: ${listed(lines)}`;
    throw new BusbarError("BUSBAR_INVALID_MESSAGE", message, { issues });
  }
  await checkData(schemas, name, copy);
  return copy;
}
