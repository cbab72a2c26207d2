import type { EventModule } from "@busbar/core";
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
  if (!OPTIONS.includes(option)) return `unknown option, ${hintFor(option)}`;
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)) {
    return undefined;
  }
  return "must be a whole number from 1";
}

function hintFor(option: string): string {
  const near = OPTIONS.find((it) => distance(option, it) <= it.length / 3);
  return near ? `did you mean "${near}"?` : `known are ${OPTIONS.join(", ")}`;
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 0; row < from.length; row++) {
    const current = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const replaced = (previous[column] ?? 0) + (from[row] === to[column] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
