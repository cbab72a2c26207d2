import { execFileSync } from "node:child_process";
import { chownSync } from "node:fs";
import { join } from "node:path";
import { type Account, freePort, makeFolder, startServer, versionOf } from "./server-process.ts";

/** A PostgreSQL of one's own, empty at first. */
export interface PostgresServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** The version of the installed PostgreSQL, or undefined when there is none. */
export function postgresVersion(): string | undefined {
  if (versionOf("initdb") === undefined) return undefined;
  return / (\d\S*)/.exec(versionOf("postgres") ?? "")?.[1];
}

/**
 * Starts a PostgreSQL on a free port of this machine. It does not wait for the disk (`fsync` is off),
 * which is not measured. All else is PostgreSQL's default.
 */
export async function startPostgresServer(): Promise<PostgresServer> {
  const folder = makeFolder();
  const account = unprivilegedAccount();
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const data = join(folder, "data");
  execFileSync("initdb", ["-D", data, "-U", "busbar", "-A", "trust", "-N", "-E", "UTF8"], {
    ...account,
    cwd: folder,
    stdio: "pipe",
    env: { ...process.env, LC_ALL: "C" },
  });
  const port = await freePort();
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    fsync: "off",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const close = await startServer(folder, {
    program: "postgres",
    args: ["-D", data, ...options],
    output: "stderr",
    endBy: "SIGQUIT",
    account,
  });
  return { url: `postgres://busbar@127.0.0.1:${port}/postgres`, close };
}

/** PostgreSQL refuses to run as root: then somebody else does. */
function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return accountOf("postgres") ?? accountOf("nobody");
}

function accountOf(name: string): Account | undefined {
  try {
    const id = (option: string): number =>
      Number(execFileSync("id", [option, name], { encoding: "utf8", stdio: "pipe" }));
    return { uid: id("-u"), gid: id("-g") };
  } catch {
    return undefined;
  }
}
