import {
  type Checks,
  checks,
  createOptionsSchema,
  type EventModule,
  optionIssues,
} from "@busbar/core/provider";
import type { LocalProviderOptions } from "./local-provider.ts";

/** Checks the options, in code and in a configuration. */
export const optionChecks: Checks<LocalProviderOptions> = {
  maxPending: checks.wholeFrom(1),
  deduplicationWindowMs: checks.wholeFrom(1),
};

/** The options of a configuration. */
export const optionsSchema: NonNullable<EventModule<LocalProviderOptions>["options"]> =
  createOptionsSchema((options) => optionIssues(options, optionChecks));
