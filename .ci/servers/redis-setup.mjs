// A `globalSetup` of vitest: what the tests of the Redis provider need beside Redis.
import { ensureProgram } from "./programs.mjs";

export function setup() {
  ensureProgram("openssl");
  try {
    ensureProgram("valkey", { withinMs: 60_000 });
  } catch (error) {
    console.warn(`Tests on Valkey are skipped. ${error.message}`);
  }
}
