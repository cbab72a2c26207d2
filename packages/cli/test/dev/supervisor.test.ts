import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { createSupervisor, type Supervisor } from "../../src/dev/supervisor.ts";

/** An application that runs for ever, whatever it is told. */
const HANGS = `
process.on("SIGTERM", () => {});
process.on("message", () => {});
process.on("disconnect", () => {});
setInterval(() => {}, 1_000);
if (process.argv[2] === "alone") process.disconnect();
else process.send({ type: "ready", folders: [] });`;

let script: string;

beforeAll(() => {
  script = join(mkdtempSync(join(tmpdir(), "busbar-dev-")), "hangs.mjs");
  writeFileSync(script, HANGS);
});

/** A supervisor of applications that hang, and the processes that it has started. */
function superviseHanging(...argv: string[]): {
  supervisor: Supervisor;
  children: ChildProcess[];
  notes: string[];
} {
  const children: ChildProcess[] = [];
  const notes: string[] = [];
  const supervisor = createSupervisor({
    fork() {
      const child = fork(script, argv, { execArgv: [] });
      children.push(child);
      return child;
    },
    note: (text) => void notes.push(text),
    graceMs: 20,
    killAfterMs: 20,
  });
  onTestFinished(() => children.forEach((child) => child.kill("SIGKILL")));
  supervisor.start();
  return { supervisor, children, notes };
}

test("an application that does not end is killed, and started again or not", async () => {
  const { supervisor, children, notes } = superviseHanging();
  await once(children[0]!, "message");
  supervisor.changed(["/shop/src/serve.ts"]);
  await once(children[0]!, "close");
  expect(children[0]!.signalCode).toBe("SIGKILL");
  expect(children).toHaveLength(2);
  expect(notes.at(-1)).toBe("The application did not end within 40 ms, and is killed");
  await once(children[1]!, "message");
  // A restart is under way when the command ends.
  supervisor.changed(["/shop/src/serve.ts"]);
  await supervisor.stop();
  expect(children[1]!.signalCode).toBe("SIGKILL");
  expect(children).toHaveLength(2);
});

test("an application that has closed its channel is killed", async () => {
  const { supervisor, children } = superviseHanging("alone");
  await once(children[0]!, "disconnect");
  await supervisor.stop();
  expect(children[0]!.signalCode).toBe("SIGKILL");
});

test("an application is killed with the process of the command", async () => {
  const others = process.listeners("exit");
  const { children } = superviseHanging();
  await once(children[0]!, "message");
  const exit = process.listeners("exit").find((it) => !others.includes(it));
  exit!.call(process, 0);
  await once(children[0]!, "close");
  expect(process.listeners("exit")).not.toContain(exit);
});
