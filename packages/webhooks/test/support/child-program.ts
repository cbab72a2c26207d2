import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
// @boundaries-ignore what starts the processes of all tests
import { bundlePrograms } from "../../../../.ci/child-programs.mjs";

/** How a child process ended, and what it wrote. */
export interface ChildEnd {
  readonly signal: string | null;
  readonly output: string;
  readonly error: string;
}

/** Returns what runs a program with options, in a process of its own, to its end. */
export async function childProgram(source: URL): Promise<(options: object) => Promise<ChildEnd>> {
  const [program] = await bundlePrograms(source);
  return (options) =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [fileURLToPath(program), JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [output, error] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (error += text));
      child.on("close", (_code, signal) => resolve({ signal, output, error }));
    });
}
