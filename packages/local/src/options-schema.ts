import { type EventModule, unknownKeyReason } from "@busbar/core/provider";
import type { LocalProviderOptions } from "./local-provider.ts";

type OptionsSchema = NonNullable<EventModule<LocalProviderOptions>["options"]>;
type Result = Awaited<ReturnType<OptionsSchema["~standard"]["validate"]>>;

const OPTIONS: readonly string[] = ["maxPending", "deduplicationWindowMs"];

/** Checks the options of a configuration: a Standard Schema, so small that it needs no library. */
export const optionsSchema: OptionsSchema = {
  "~standard": { version: 1, vendor: "busbar", validate },
};

function validate(value: unknown): Result {
  if (value === undefined) return { value: {} };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { issues: [{ message: "must be an object" }] };
  }
  const issues = Object.entries(value).flatMap(([option, member]) => {
    const message = problemWith(option, member);
    return message === undefined ? [] : [{ message, path: [option] }];
  });
  return issues.length > 0 ? { issues } : { value };
}

function problemWith(option: string, value: unknown): string | undefined {
  if (!OPTIONS.includes(option)) return unknownKeyReason(option, OPTIONS);
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)) {
    return undefined;
  }
  return "must be a whole number from 1";
}
