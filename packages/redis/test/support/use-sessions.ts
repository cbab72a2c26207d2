import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { createTestSession, type TestSession, type TestSessionOptions } from "./test-session.ts";

/** Opens a session, on keys of its own unless it is given the prefix of another. */
export type OpenSession = (options?: Partial<TestSessionOptions>) => Promise<TestSession>;

/** Sessions for the tests of a file, on the Redis of `REDIS_URL` or one of its own. */
export function useSessions(): OpenSession {
  const sessions: TestSession[] = [];
  let server: RedisServer | undefined;
  let url = process.env["REDIS_URL"] ?? "";

  beforeAll(async () => {
    if (url) return;
    server = await startRedisServer();
    ({ url } = server);
  });
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  });
  afterAll(() => server?.stop());

  return async (options) => {
    const session = await createTestSession({ url, prefix: `{${randomUUID()}}`, ...options });
    sessions.push(session);
    return session;
  };
}
