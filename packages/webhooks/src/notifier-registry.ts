import { BusbarError, type Issue } from "@busbar/core";
import { type JsonObject, listed, quoted } from "@busbar/core/provider";
import type { Notifier, NotifierInfo } from "./contract/notifier.ts";
import { httpNotifier, type HttpNotifierOptions } from "./notifiers/http-notifier.ts";
import { stdoutNotifier } from "./notifiers/stdout-notifier.ts";
import { tcpNotifier } from "./notifiers/tcp-notifier.ts";

const NAME = /^[a-z\d][a-z\d.-]{0,62}$/;

/**
 * Makes the notifiers that every application has.
 *
 * @throws TypeError when an option is not what it can be. RangeError when `allow` or `deny` has what is no range.
 */
export function builtInNotifiers(options: HttpNotifierOptions = {}): readonly Notifier[] {
  const { allowHttp: _allowHttp, source: _source, ...network } = options;
  return [httpNotifier(options), tcpNotifier(network), stdoutNotifier()] as readonly Notifier[];
}

/**
 * All notifiers by their names.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when a name is malformed, or is there twice.
 */
export function registerNotifiers(
  builtIn: readonly Notifier[],
  given: readonly Notifier[],
): ReadonlyMap<string, Notifier> {
  const all = new Map(builtIn.map((notifier) => [notifier.name, notifier]));
  const issues: Issue[] = [];
  for (const [index, notifier] of given.entries()) {
    const { name } = notifier;
    const path = `notifiers[${index}].name`;
    if (typeof name !== "string" || !NAME.test(name)) {
      issues.push({ path, reason: "must be 1 to 63 lower-case letters, digits, hyphens or dots" });
    } else if (all.has(name)) {
      issues.push({ path, reason: `must not be ${quoted(name)} again` });
    }
    all.set(name, notifier);
  }
  if (issues.length === 0) return all;
  const reasons = issues.map(({ path, reason }) => `${path} ${reason}`);
  throw new BusbarError("BUSBAR_INVALID_CONFIG", `webhooks(): ${listed(reasons)}`, {
    module: "@busbar/webhooks",
    issues,
  });
}

/** The notifiers as forms show them, in the order of their names. */
export function notifierInfos(notifiers: ReadonlyMap<string, Notifier>): readonly NotifierInfo[] {
  return [...notifiers.values()]
    .map(({ name, title = name, signs, settings }) => {
      const { jsonSchema } = settings["~standard"];
      const schema = jsonSchema.input({ target: "draft-2020-12" }) as JsonObject;
      return { name, title, signs, settings: schema };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
