import type { Command } from "commander";
import type { Does } from "../cli.ts";
import { addEmit } from "./emit.ts";
import { addHealth } from "./health.ts";
import { addWorker } from "./worker.ts";

/** Adds every command to the program, in the order of the help text. */
export function addCommands(program: Command, does: Does): void {
  addWorker(program, does);
  addEmit(program, does);
  addHealth(program, does);
}
