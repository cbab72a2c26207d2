#!/usr/bin/env node
import { constants } from "node:os";
import { run } from "./cli.ts";
import { processIo } from "./process-io.ts";

const ended = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second time, the user no longer wants to wait.
    if (ended.signal.aborted) process.exit(128 + constants.signals[signal]);
    ended.abort(new Error(`The command was ended by ${signal}`));
  });
}
// The reader of a pipe has enough, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
const code = await run(process.argv.slice(2), processIo(ended.signal));
// The configuration of an application may have opened what keeps a process alive, such as a pool of connections.
process.stdout.write("", () => process.exit(code));
