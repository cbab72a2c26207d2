export { createProgram, run } from "./cli.ts";
export { ExitCode } from "./exit-codes.ts";
export type { Io, Output } from "./io.ts";
export { processIo } from "./process-io.ts";
