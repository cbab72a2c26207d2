import type { EventModule } from "@busbar/core/provider";
import { findProblems } from "./options-problems.ts";
import type { RedisProviderOptions } from "./options.ts";

type OptionsSchema = NonNullable<EventModule<RedisProviderOptions>["options"]>;
type Result = Awaited<ReturnType<OptionsSchema["~standard"]["validate"]>>;

/** Checks the options of a configuration: a Standard Schema, so small that it needs no library. */
export const optionsSchema: OptionsSchema = {
  "~standard": { version: 1, vendor: "busbar", validate },
};

function validate(value: unknown): Result {
  const issues = findProblems(value ?? {});
  return issues.length > 0 ? { issues } : { value: value as RedisProviderOptions };
}
