// A `globalSetup` of vitest: tests find PostgreSQL in `DATABASE_URL`.
import { ensureProgram } from "./programs.mjs";
import { provideServer } from "./provide-server.mjs";

export async function setup() {
  // For the tests with a pooler, each with its own.
  ensureProgram("pgbouncer");
  const { env, stop } = await provideServer("postgres");
  Object.assign(process.env, env);
  return stop;
}
