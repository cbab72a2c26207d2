// Starts a server of a test's own, on a free port, with its files in a folder that is removed at the end.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { kinds } from "./kinds.mjs";
import { findProgram } from "./programs.mjs";

const startWithinMs = 30_000;

/** Starts a server, whose program has to be there. `detached` keeps Ctrl-C from it. */
export async function startServer(kind, { settings = {}, detached = false } = {}) {
  const { name, refusesRoot, prepare, args, ready, url, signals, ...kindOf } = kinds[kind];
  const program = findProgram(kind);
  if (!program) throw new Error(`${name} is not installed: ${kinds[kind].program} is not there`);
  const folder = mkdtempSync(join(tmpdir(), `busbar-${kind}-`));
  const user = refusesRoot && process.getuid?.() === 0 ? accountOf("nobody") : undefined;
  if (user) chownSync(folder, user.uid, user.gid);
  const logFile = join(folder, "log");
  const port = await freePort();
  const morePorts = await Promise.all(Array.from({ length: kindOf.morePorts ?? 0 }, freePort));
  let child;

  function send(signal, to = child) {
    // A script ends with all that it has started: they are a group.
    if (kindOf.isScript && to?.pid) process.kill(-to.pid, signal);
    else to?.kill(signal);
  }

  // Nothing of a run that is interrupted stays behind.
  function removeAll() {
    if (child && !hasEnded(child)) send(signals.crash);
    kindOf.cleanUp?.(morePorts);
    removeFolder();
  }

  // A server that was only told to end may still write.
  function removeFolder() {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async function start() {
    const log = openSync(logFile, "w");
    child = spawn(program, args(folder, port, settings), {
      ...user,
      cwd: folder,
      stdio: ["ignore", log, log],
      detached: detached || kindOf.isScript,
      env: { ...process.env, ...kindOf.env?.(folder, port, morePorts) },
    });
    closeSync(log);
    for (const limit = Date.now() + startWithinMs; Date.now() < limit && !hasEnded(child);) {
      if (ready.test(readFileSync(logFile, "utf8"))) return;
      await sleep(10);
    }
    if (!hasEnded(child)) send(signals.crash);
    throw new Error(`${name} did not start:\n${readFileSync(logFile, "utf8")}`);
  }

  async function end(signal) {
    const ending = child;
    child = undefined;
    if (!ending || hasEnded(ending)) return;
    const ended = once(ending, "exit");
    send(signal, ending);
    // One that is frozen takes no other signal.
    if (signal !== "SIGKILL") send("SIGCONT", ending);
    await ended;
  }

  async function stop() {
    process.off("exit", removeAll);
    await end(signals.crash);
    kindOf.cleanUp?.(morePorts);
    removeFolder();
  }

  // Two restarts at a time are one after the other.
  let last = Promise.resolve();
  const inTurn = (step) => () => {
    last = last.catch(() => {}).then(step);
    return last;
  };

  process.once("exit", removeAll);
  try {
    prepare?.({ folder, program, user });
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    url: url(port, settings),
    get isRunning() {
      return child !== undefined && !hasEnded(child);
    },
    start: inTurn(start),
    kill: inTurn(() => end(signals.crash)),
    restart: inTurn(async () => {
      await end(signals.end);
      await start();
    }),
    freeze: () => send("SIGSTOP"),
    thaw: () => send("SIGCONT"),
    stop: inTurn(stop),
  };
}

/** A port of this machine that nobody listens at. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

function hasEnded({ pid, exitCode, signalCode }) {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

function accountOf(name) {
  const id = (option) => Number(execFileSync("id", [option, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
