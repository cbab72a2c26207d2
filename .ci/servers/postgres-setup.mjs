// A `globalSetup` of vitest: tests find PostgreSQL in `DATABASE_URL`.
import { provideServer } from "./provide-server.mjs";

export async function setup() {
  const { env, stop } = await provideServer("postgres");
  Object.assign(process.env, env);
  return stop;
}
