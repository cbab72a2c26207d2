// A server for a whole run of tests: the one that an environment variable names, or one of our own.
import { kinds } from "./kinds.mjs";
import { ensureProgram } from "./programs.mjs";
import { startServer } from "./start-server.mjs";

/**
 * `env` says where the server is, and `stop` ends it if it was started here.
 *
 * @returns {Promise<{ env: Record<string, string>, stop: () => Promise<void> }>}
 */
export async function provideServer(kind, options) {
  const { name, variable } = kinds[kind];
  // Also for those tests that stop and kill a server, each one of its own.
  ensureProgram(kind);
  const given = process.env[variable];
  if (given) {
    console.log(`${name}: ${variable} says where it is`);
    return { env: { [variable]: given }, stop: async () => {} };
  }
  const server = await startServer(kind, options);
  console.log(`${name}: runs at ${server.url}`);
  return { env: { [variable]: server.url }, stop: () => server.stop() };
}
