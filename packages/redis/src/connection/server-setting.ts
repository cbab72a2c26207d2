import type { RedisClient } from "./redis-link.ts";

/** Reads a setting of the server. Undefined where it is forbidden to look. */
export async function serverSetting(
  client: RedisClient,
  name: string,
): Promise<string | undefined> {
  const answer: unknown = await client.config("GET", name).catch(() => undefined);
  return Array.isArray(answer) && typeof answer[1] === "string" ? answer[1] : undefined;
}
