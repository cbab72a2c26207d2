import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { createTestSession, type TestSession, type TestSessionOptions } from "./test-session.ts";

/** Opens a session, on keys of its own unless it is given the prefix of another. */
export type OpenSession = (options?: Partial<TestSessionOptions>) => Promise<TestSession>;

/**
 * Sessions for the tests of a file, on the Redis of `REDIS_URL` or one of its own.
 *
 * @param closeAfter When they are closed: `afterAll` where the tests of the file run at the same time.
 */
export function useSessions(
  closeAfter: typeof afterEach | typeof afterAll = afterEach,
): OpenSession {
  const sessions: TestSession[] = [];
  let server: RedisServer | undefined;
  let url = process.env["REDIS_URL"] ?? "";

  beforeAll(async () => {
    if (url) return;
    server = await startRedisServer();
    ({ url } = server);
  });
  afterAll(() => server?.stop());
  closeAfter(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  });

  return async (options) => {
    const session = await createTestSession({ url, prefix: `{${randomUUID()}}`, ...options });
    sessions.push(session);
    return session;
  };
}
