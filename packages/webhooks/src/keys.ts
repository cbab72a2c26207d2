import type { EncryptionKey } from "./secrets/key-ring.ts";

/** The variable of the environment that has encryption keys if the options have none. */
const VARIABLE = "BUSBAR_WEBHOOKS_KEYS";

/**
 * The keys of an environment: `2026-11:<base64>` or several of them with commas between, the one that encrypts first. A
 * key without an id has the id `default`.
 */
export function keysOf(environment: Readonly<Record<string, string | undefined>>): EncryptionKey[] {
  const text = environment[VARIABLE] ?? "";
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const colon = part.indexOf(":");
      return colon < 0
        ? { id: "default", key: part }
        : { id: part.slice(0, colon), key: part.slice(colon + 1) };
    });
}
