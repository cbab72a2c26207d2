import type { ProviderContext } from "@busbar/core/provider";
import type { RedisLink } from "./redis-link.ts";
import { serverSetting } from "./client.ts";

/** The first release that has every command in use. */
const LEAST = [6, 2] as const;

/**
 * Looks whether the server can keep what the provider promises, and warns of settings that break it.
 * Managed servers may forbid to look: then nothing is said.
 *
 * @throws Error when the server is too old.
 */
export async function checkServer(
  { client }: Pick<RedisLink, "client">,
  { logger }: Pick<ProviderContext, "logger">,
): Promise<void> {
  const info = await fields(client.info());
  // Valkey and others say here which Redis they can stand in for.
  const version = info.get("redis_version");
  if (version !== undefined && isOlder(version)) {
    throw new Error(`Redis ${version} is too old: ${LEAST.join(".")} or later is needed`);
  }
  const policy = info.get("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction") {
    logger.warn(
      { maxmemoryPolicy: policy },
      `Redis deletes events when its memory is full: set its maxmemory-policy to noeviction`,
    );
  }
  if (info.get("aof_enabled") === "0" && (await serverSetting(client, "save")) === "") {
    logger.warn(
      {},
      "Redis writes nothing to disk, and a restart loses every event: set appendonly",
    );
  }
}

/** The lines `name:value` of an answer of INFO; none where it is forbidden. */
async function fields(info: Promise<string>): Promise<ReadonlyMap<string, string>> {
  const text = await info.catch(() => "");
  return new Map(
    text.split(/\r?\n/).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1)] as const;
    }),
  );
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]);
}
