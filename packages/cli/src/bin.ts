#!/usr/bin/env node
import { constants } from "node:os";
import { run } from "./cli.ts";
import { ExitCode } from "./exit-codes.ts";
import { processIo } from "./process-io.ts";

const ended = new AbortController();
let isTold = false;
let isOutputLost = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second time, the user no longer wants to wait.
    if (isTold) process.exit(128 + constants.signals[signal]);
    isTold = true;
    ended.abort(new Error(`The command was ended by ${signal}`));
  });
}
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe has enough, as `head` does. The command ends as with Ctrl-C, so that running handlers may end.
  if (error.code !== "EPIPE") isOutputLost = true;
  ended.abort(error);
});
// Without a reader of messages, the command does its work silently.
process.stderr.on("error", () => {});
const code = await run(process.argv.slice(2), processIo(ended.signal));
// The configuration of an application may have opened what keeps a process alive, such as a pool of connections.
process.stdout.write("", () => {
  process.exit(isOutputLost && code === ExitCode.ok ? ExitCode.failed : code);
});
