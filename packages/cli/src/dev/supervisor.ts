import type { ChildProcess } from "node:child_process";
import type { DevCommand, DevReport } from "./dev-options.ts";
import { isSubscriberFile } from "./watch-files.ts";

/** Runs the application in a process of its own, and starts it again. */
export interface Supervisor {
  /** Starts the application. */
  start(): void;
  /** Files have changed: reloads subscribers if there are no others among them, or else starts the application again. */
  changed(files: readonly string[]): void;
  /** Stops the application. Resolves once its process has ended. */
  stop(): Promise<void>;
}

/** What {@link createSupervisor} is given. */
export interface SupervisorOptions {
  /** Starts the process of the application, with a channel for messages. */
  readonly fork: () => ChildProcess;
  /** Writes a message for the user. */
  readonly note: (text: string) => void;
  /** Milliseconds that running handlers have to end. @default 5000 */
  readonly graceMs?: number | undefined;
  /** Milliseconds after the grace until a process that still runs is killed. @default 2000 */
  readonly killAfterMs?: number | undefined;
}

/** Makes a {@link Supervisor}. No process of the application outlives this process, unless this one is killed. */
export function createSupervisor({
  fork,
  note,
  graceMs = 5_000,
  killAfterMs = 2_000,
}: SupervisorOptions): Supervisor {
  let child: ChildProcess | undefined;
  let folders: readonly string[] | undefined;
  let isStopping = false;
  let restarting = false;
  let onEnd = (): void => {};
  let killTimer: NodeJS.Timeout | undefined;

  function start(): void {
    const started = fork();
    child = started;
    folders = undefined;
    const kill = (): void => void started.kill("SIGKILL");
    process.once("exit", kill);
    started.on("message", (report: DevReport) => {
      folders = report.folders;
    });
    started.once("error", (error) => note(`The application cannot be started: ${error.message}`));
    started.once("close", () => {
      process.removeListener("exit", kill);
      clearTimeout(killTimer);
      child = undefined;
      folders = undefined;
      onEnd();
      if (isStopping) return;
      if (restarting) {
        restarting = false;
        start();
      } else note("The application has ended. It starts again when a file changes");
    });
  }

  /** A process that has just ended, or that has closed its channel, gets no message. */
  function tell(command: DevCommand): void {
    if (child?.connected) child.send(command, () => {});
  }

  /** A handler that never yields, and a process without a channel, hear no message. */
  function end(stopped: ChildProcess): void {
    tell({ type: "stop", graceMs });
    clearTimeout(killTimer);
    killTimer = setTimeout(() => {
      note(`The application did not end within ${graceMs + killAfterMs} ms, and is killed`);
      stopped.kill("SIGKILL");
    }, graceMs + killAfterMs);
  }

  return {
    start,
    changed(files) {
      if (isStopping || restarting) return;
      if (child === undefined) return start();
      if (folders !== undefined && files.every((it) => isSubscriberFile(it, folders!))) {
        return tell({ type: "reload" });
      }
      restarting = true;
      note("Files have changed: the application starts again");
      end(child);
    },
    async stop() {
      isStopping = true;
      if (child === undefined) return;
      const ended = new Promise<void>((resolve) => (onEnd = resolve));
      if (!restarting) end(child);
      await ended;
    },
  };
}
