import { AssertionError } from "node:assert";
import type { Logger } from "@busbar/core";
import type { EventProvider, ProviderContext } from "@busbar/core/provider";

/** What is in the data of the suite's envelopes, and must not be in a log line, a rejection or a report. */
export const PLANTED = "planted-secret-4711-6f1c";

/** Values that are looked at within one: what is logged is small, and may refer to a whole client. */
const MOST_VALUES = 200_000;

/** Looks for secrets in what is logged and thrown. */
export interface SecretWatch {
  /** Give it to a bus. */
  readonly logger: Logger;
  /**
   * A provider that behaves as the one given. What that one logs and reports, and what its calls reject with,
   * is looked through before the bus takes anything out of it.
   */
  provider(provider: EventProvider): EventProvider;
  /** Looks through something, such as what a call has rejected with. */
  look(where: string, value: unknown): void;
  /**
   * Passes if nothing had a secret.
   *
   * @throws AssertionError that says where the first one was, and not what.
   */
  assertNone(): void;
}

/**
 * Looks for secrets as the most curious serialiser would: in messages, stacks, causes, members of errors that
 * are not enumerable, getters, maps and buffers, at every level of the logger.
 *
 * @example
 * ```ts
 * const secrets = watchSecrets(["hunter2"]);
 * const bus = createEventBus({ provider: secrets.provider(provider), logger: secrets.logger });
 * await bus.start().catch((error) => secrets.look("start", error));
 * secrets.assertNone();
 * ```
 */
export function watchSecrets(secrets: readonly string[]): SecretWatch {
  const found: string[] = [];
  const look = (where: string, value: unknown): void => {
    const at = findSecret(value, secrets);
    if (at !== undefined) found.push(`${where}: ${at}`);
  };
  const log = (level: keyof Logger, fields: object, message: string): void =>
    look(`a line of the level ${level}, ${hidden(message, secrets)}`, { fields, message });
  const loggerBefore = (logger?: Logger): Logger => {
    const at =
      (level: keyof Logger) =>
      (fields: object, message: string): void => {
        log(level, fields, message);
        logger?.[level](fields, message);
      };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  };
  return {
    logger: loggerBefore(),
    look,
    provider: (provider) =>
      watchCalls(provider, "", look, (context) => ({
        ...context,
        logger: loggerBefore(context.logger),
        report(report) {
          look(`a report of the type ${report.type}`, report);
          context.report(report);
        },
      })),
    assertNone() {
      if (found.length === 0) return;
      const message = `${found.length} times a secret was logged or thrown; first in ${found[0]}`;
      throw new AssertionError({ message });
    },
  };
}

type Look = SecretWatch["look"];

const PARTS: ReadonlySet<string> = new Set([
  "admin",
  "subscriptions",
  "groups",
  "board",
  "rates",
  "schedules",
  "transactions",
]);

function watchCalls<T extends object>(
  target: T,
  path: string,
  look: Look,
  watched?: (context: ProviderContext) => ProviderContext,
): T {
  // Not of the target itself: a frozen one would have its own members only.
  return new Proxy({} as T, {
    has: (_, key) => Reflect.has(target, key),
    get(_, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof key === "symbol") return member;
      if (typeof member === "function") {
        return (...args: readonly unknown[]): unknown => {
          const isStart = key === "start" && watched;
          const given = isStart ? [watched(args[0] as ProviderContext)] : args;
          const answer: unknown = Reflect.apply(member, target, given);
          return answer instanceof Promise ? looked(answer, `${path}${key}()`, look) : answer;
        };
      }
      const isPart = PARTS.has(key);
      return isPart && member ? watchCalls(member, `${key}.`, look) : member;
    },
  });
}

async function looked(answer: Promise<unknown>, where: string, look: Look): Promise<unknown> {
  try {
    const result = await answer;
    if (where === "publish()") look("what publish() has resolved with", result);
    return result;
  } catch (error) {
    look(`what ${where} has rejected with`, error);
    throw error;
  }
}

function hidden(message: string, secrets: readonly string[]): string {
  return JSON.stringify(secrets.reduce((text, secret) => text.replaceAll(secret, "…"), message));
}

/** Where in a value one of some texts is, such as `.err.command.args[1]`. */
function findSecret(root: unknown, secrets: readonly string[]): string | undefined {
  const isSecret = (text: string): boolean => secrets.some((secret) => text.includes(secret));
  const seen = new Set<unknown>();
  const left: { readonly value: unknown; readonly path: string }[] = [{ value: root, path: "" }];
  for (let next = left.pop(); next; next = left.pop()) {
    const { value, path } = next;
    if (typeof value === "string" && isSecret(value)) return path;
    const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
    if (!isObject || seen.has(value) || seen.size > MOST_VALUES) continue;
    seen.add(value);
    if (ArrayBuffer.isView(value)) {
      const { buffer, byteOffset, byteLength } = value;
      if (isSecret(Buffer.from(buffer, byteOffset, byteLength).toString("latin1"))) return path;
      continue;
    }
    if (value instanceof Map || value instanceof Set) {
      for (const entry of value) left.push({ value: entry, path: `${path}[entry]` });
    }
    for (const key of Reflect.ownKeys(value)) {
      if (isSecret(String(key))) return `${path}, the name of a member`;
      left.push({ value: read(value, key), path: `${path}.${String(key)}` });
    }
  }
  return undefined;
}

function read(value: object, key: string | symbol): unknown {
  try {
    return Reflect.get(value, key) as unknown;
  } catch {
    return undefined;
  }
}
