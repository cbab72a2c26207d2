import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Who a process runs as, where it is not this process's own user. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How a server is started. */
export interface ServerProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** Which of its outputs says that it is ready, in a line with `Ready to accept connections` or `Server is ready`. */
  readonly output: "stdout" | "stderr";
  /** Ends it at once, whatever it is doing. */
  readonly endBy: "SIGKILL" | "SIGQUIT";
  readonly account?: Account | undefined;
}

/** The first line that a program says of its version, or undefined when it is not on the PATH. */
export function versionOf(program: string): string | undefined {
  try {
    return execFileSync(program, ["--version"], { encoding: "utf8", stdio: "pipe" });
  } catch {
    return undefined;
  }
}

/** A folder for the files of a server. */
export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), "busbar-benchmark-"));
}

/** Starts a server. Resolves when it is ready, with a function that ends it and removes its folder. */
export async function startServer(
  folder: string,
  { program, args, output, endBy, account }: ServerProgram,
): Promise<() => Promise<void>> {
  const others =
    output === "stdout" ? (["pipe", "inherit"] as const) : (["ignore", "pipe"] as const);
  const server = spawn(program, args, { ...account, cwd: folder, stdio: ["ignore", ...others] });
  const end = () => server.kill(endBy);
  process.once("exit", end);
  await ready(server, program, output);
  return async () => {
    const closed = once(server, "close");
    end();
    await closed;
    process.off("exit", end);
    rmSync(folder, { recursive: true, force: true });
  };
}

async function ready(
  server: ChildProcess,
  program: string,
  output: ServerProgram["output"],
): Promise<void> {
  const input = server[output];
  if (input === null) throw new Error(`${program} has no ${output}`);
  for await (const line of createInterface({ input })) {
    if (!/ready to accept connections|server is ready/i.test(line)) continue;
    // Nobody reads the rest, and it must not fill the pipe.
    input.resume();
    return;
  }
  throw new Error(`${program} ended before it was ready`);
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  if (address === null || typeof address === "string") throw new Error("No port");
  probe.close();
  await once(probe, "close");
  return address.port;
}
