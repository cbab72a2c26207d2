import { type AnySubscriberContext, subscriberContextIssues } from "../deliver/policy.ts";
import type { SubscriberArgs, SubscriberConfig } from "../events/subscriber.ts";
import type { Issue } from "../contract/issue.ts";
import { assertPattern } from "../provider/router.ts";
import { describe } from "../values/arguments.ts";
import { isRecord, issuesAt, unknownKeys } from "./check-config.ts";
import { messageOf } from "./config-error.ts";
import type { SourceExports } from "./source-loader.ts";

/** What the default export of a subscriber file is. */
export type SubscriberFunction = (args: SubscriberArgs) => void | Promise<void>;

/** What a subscriber file says, checked and with its defaults filled in. */
export interface SubscriberDefinition {
  readonly handler: SubscriberFunction;
  readonly events: readonly string[];
  /** Its `subscriberId` is always there. */
  readonly context: AnySubscriberContext & { readonly subscriberId: string };
}

const configNames = Object.keys({
  event: true,
  context: true,
} satisfies Record<keyof SubscriberConfig, true>);

/**
 * Reads the exports of a subscriber file, or says everything that is wrong with them.
 *
 * @param defaultId - The id of a file whose context gives none.
 */
export function readSubscriber(
  exports: SourceExports,
  defaultId: string,
): SubscriberDefinition | readonly Issue[] {
  const issues: Issue[] = [];
  const { default: handler } = exports;
  const own = typeof handler === "function" && "config" in handler ? handler.config : undefined;
  const config = exports["config"] ?? own;
  if (typeof handler !== "function") {
    const found = handler === undefined ? "there is none" : `it is ${describe(handler)}`;
    issues.push({ path: "default export", reason: `must be a handler function; ${found}` });
  }
  if (!isRecord(config)) {
    const found = config === undefined ? "there is none" : `it is ${describe(config)}`;
    issues.push({ path: "config", reason: `must be exported, as \`{ event: "…" }\`; ${found}` });
    return issues;
  }
  issues.push(...unknownKeys(config, configNames, "config"));
  const events = typeof config["event"] === "string" ? [config["event"]] : config["event"];
  issues.push(...checkEvents(events), ...checkContext(config["context"]));
  if (issues.length > 0) return issues;
  const context = (config["context"] ?? {}) as AnySubscriberContext;
  return {
    handler: handler as SubscriberFunction,
    events: events as readonly string[],
    context: { ...context, subscriberId: context.subscriberId ?? defaultId },
  };
}

function checkEvents(events: unknown): readonly Issue[] {
  const path = "config.event";
  if (events === undefined) return [{ path, reason: "is missing: name an event, or several" }];
  if (!Array.isArray(events)) {
    return [{ path, reason: `must be a string or an array of strings, not ${describe(events)}` }];
  }
  if (events.length === 0) return [{ path, reason: "must name at least one event" }];
  return events.flatMap((event: unknown, index) => {
    const place = `${path}[${index}]`;
    if (typeof event !== "string") {
      return [{ path: place, reason: `must be a string, not ${describe(event)}` }];
    }
    return issueOf(place, () => assertPattern(event));
  });
}

function checkContext(context: unknown): readonly Issue[] {
  return context === undefined ? [] : issuesAt("config.context", subscriberContextIssues(context));
}

function issueOf(path: string, check: () => unknown): readonly Issue[] {
  try {
    check();
    return [];
  } catch (error) {
    return [{ path, reason: messageOf(error) }];
  }
}
