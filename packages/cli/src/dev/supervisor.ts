import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { DevCommand, DevOptions, DevReport } from "./dev-options.ts";
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

/** Makes a {@link Supervisor}. */
export function createSupervisor(options: DevOptions, note: (text: string) => void): Supervisor {
  const file = `dev-process${extname(import.meta.url)}`;
  const script = fileURLToPath(new URL(file, import.meta.url));
  let child: ChildProcess | undefined;
  let folders: readonly string[] | undefined;
  let isStopping = false;
  let restarting = false;
  let onEnd = (): void => {};

  function start(): void {
    const started = fork(script, [JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child = started;
    folders = undefined;
    started.on("message", (report: DevReport) => {
      folders = report.folders;
    });
    started.once("error", (error) => note(`The application cannot be started: ${error.message}`));
    started.once("close", () => {
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

  function tell(command: DevCommand): void {
    if (child?.connected) child.send(command);
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
      tell({ type: "stop" });
    },
    async stop() {
      isStopping = true;
      if (child === undefined) return;
      const ended = new Promise<void>((resolve) => (onEnd = resolve));
      tell({ type: "stop" });
      await ended;
    },
  };
}
