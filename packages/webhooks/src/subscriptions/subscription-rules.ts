import { BusbarError, type Issue } from "@busbar/core";
import { type JsonObject, nearestHint, quoted, toIssues } from "@busbar/core/provider";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Notifier } from "../contract/notifier.ts";
import type { SubscriptionSettings } from "../contract/subscription.ts";
import { secretProblem } from "../secrets/secret-text.ts";
import { keepSecrets, type SplitSettings, splitSettings } from "./secret-members.ts";

/** What subscriptions are checked against. */
export interface SubscriptionRulesOptions {
  /** By their names. */
  readonly notifiers: ReadonlyMap<string, Notifier>;
  /** The names of all events that there are. Any name may be subscribed to if it is left out. */
  readonly eventNames?: (() => readonly string[]) | undefined;
}

/** What is to be checked. What is undefined is not. */
export type Checked = {
  readonly [Name in keyof SubscriptionSettings]?: SubscriptionSettings[Name] | undefined;
} & { readonly secret?: string | undefined; readonly anySecret?: boolean | undefined };

/** What there was before a change. */
export interface Before {
  readonly events: readonly string[];
  readonly settings: SplitSettings;
}

/** Checks what no schema of ours knows: it depends on notifiers, on the catalogue, and on what is stored. */
export class SubscriptionRules {
  readonly #options: SubscriptionRulesOptions;
  /** The JSON Schemas of the settings of each notifier. */
  readonly #schemas: ReadonlyMap<string, JsonObject>;

  /** @throws BusbarError `BUSBAR_INVALID_CONFIG` when the schema of a notifier cannot be said as JSON Schema. */
  constructor(options: SubscriptionRulesOptions) {
    this.#options = options;
    this.#schemas = new Map(
      [...options.notifiers].map(([name, notifier]) => [name, jsonSchemaOf(name, notifier)]),
    );
  }

  /** Returns a notifier. Undefined if there is none of this name. */
  notifier(name: string): Notifier | undefined {
    return this.#options.notifiers.get(name);
  }

  /** Takes what is secret out of settings that were checked. */
  split(notifier: string, settings: JsonObject): SplitSettings {
    return splitSettings(settings, this.#schemas.get(notifier) ?? {});
  }

  /**
   * Returns everything that is wrong, and the settings of the notifier with the stored secrets in them.
   *
   * @param before Undefined for a new subscription.
   */
  async check(
    checked: Checked,
    before: Before | undefined,
  ): Promise<{ readonly issues: readonly Issue[]; readonly settings: JsonObject }> {
    const issues: Issue[] = [...this.#eventIssues(checked.events ?? [], before?.events ?? [])];
    const { secret, anySecret } = checked;
    const problem = secret === undefined ? undefined : problemOfSecret(secret, anySecret);
    if (problem !== undefined) issues.push({ path: "secret", reason: problem });
    const { notifier: name, destination, settings = {} } = checked;
    if (destination !== undefined && HAS_CREDENTIALS.test(destination)) {
      issues.push({
        path: "destination",
        reason: "must have no user or password, as it is shown: put them into settings",
      });
    }
    const notifier = name === undefined ? undefined : this.notifier(name);
    if (name === undefined || checked.settings === undefined) return { issues, settings };
    if (!notifier) return { issues: [...issues, this.#unknownNotifier(name)], settings };
    const kept = keepSecrets(settings, before?.settings, this.#schemas.get(name) ?? {});
    const parsed = await readSettings(notifier, kept.settings);
    const wrong = [...kept.issues, ...(kept.issues.length > 0 ? [] : (parsed.issues ?? []))];
    issues.push(...settingsIssues(wrong, kept.settings));
    if (destination !== undefined && parsed.issues === undefined) {
      const reason = notifier.checkDestination(destination, parsed.value);
      if (reason !== undefined) issues.push({ path: "destination", reason: `must ${reason}` });
    }
    return { issues, settings: kept.settings };
  }

  /** A name that was there before may have been taken out of the catalogue since. */
  #eventIssues(events: readonly string[], before: readonly string[]): readonly Issue[] {
    const names = this.#options.eventNames?.();
    if (names === undefined) return [];
    return events.flatMap((event, index) => {
      if (event.includes("*") || before.includes(event) || names.includes(event)) return [];
      const reason = `must be an event that there is, or a pattern: there is no ${quoted(event)}`;
      return [{ path: `events[${index}]`, reason: reason + nearestHint(event, names) }];
    });
  }

  #unknownNotifier(name: string): Issue {
    const known = [...this.#options.notifiers.keys()];
    const names = known.map((it) => JSON.stringify(it)).join(" or ");
    return { path: "notifier", reason: `must be ${names}${nearestHint(name, known)}` };
  }
}

/** What is wrong with a secret. Never quotes it. */
export function problemOfSecret(secret: string, anySecret: boolean = false): string | undefined {
  return anySecret ? secretProblem(secret, 1) : secretProblem(secret);
}

/** Settings as the schema of a notifier gives them, or what is wrong with them. */
export async function readSettings(
  notifier: Notifier,
  settings: JsonObject,
): Promise<StandardSchemaV1.Result<unknown>> {
  return notifier.settings["~standard"].validate(settings);
}

/** The issues of a notifier's schema. No reason quotes a value of the settings. */
export function settingsIssues(
  issues: readonly StandardSchemaV1.Issue[],
  settings: JsonObject,
): readonly Issue[] {
  const found = toIssues(issues, settings);
  return found.map(({ path, reason }) => ({ path: within("settings", path), reason }));
}

/** A user, a password, or both, before the host of a URL. */
const HAS_CREDENTIALS = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*@/i;

/** The path of a member of a member. */
function within(member: string, path: string): string {
  if (path === "") return member;
  return path.startsWith("[") ? member + path : `${member}.${path}`;
}

function jsonSchemaOf(name: string, notifier: Notifier): JsonObject {
  try {
    return notifier.settings["~standard"].jsonSchema.input({
      target: "draft-2020-12",
    }) as JsonObject;
  } catch (cause) {
    const path = `notifiers.${name}.settings`;
    const reason = "must be a schema that can be said as JSON Schema";
    throw new BusbarError(
      "BUSBAR_INVALID_CONFIG",
      `Webhooks: ${path} ${reason}`,
      { module: "@busbar/webhooks", issues: [{ path, reason }] },
      { cause },
    );
  }
}
