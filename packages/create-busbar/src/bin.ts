#!/usr/bin/env node
import { processIo, run } from "busbar";

const words = process.argv.slice(2);
const isKind = ["app", "provider", "notifier"].includes(words[0] ?? "");
const ended = new AbortController();
process.once("SIGINT", () => ended.abort(new Error("The command was ended by SIGINT")));
process.exitCode = await run(
  ["create", ...(isKind ? [] : ["app"]), ...words],
  processIo(ended.signal),
);
