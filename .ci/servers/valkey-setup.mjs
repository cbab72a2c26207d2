// A `globalSetup` of vitest: has Valkey installed where that may be. Elsewhere its tests are skipped.
import { ensureProgram } from "./programs.mjs";

export function setup() {
  try {
    ensureProgram("valkey", { withinMs: 60_000 });
  } catch (error) {
    console.warn(`Tests on Valkey are skipped. ${error.message}`);
  }
}
