import { ensureProgram } from "./programs.mjs";

export function setup() {
  try {
    ensureProgram("nats", { withinMs: 60_000 });
  } catch (error) {
    console.warn(`Tests on NATS are skipped. ${error.message}`);
  }
}
