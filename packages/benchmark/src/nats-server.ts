import { freePort, makeFolder, startServer, versionOf } from "./server-process.ts";

/** A nats-server of one's own with JetStream, empty at first. */
export interface NatsServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** The version of the installed nats-server, or undefined when there is none. */
export function natsServerVersion(): string | undefined {
  return /v(\d\S*)/.exec(versionOf("nats-server") ?? "")?.[1];
}

/** Starts a nats-server on a free port of this machine. Streams are files. All else is its default. */
export async function startNatsServer(): Promise<NatsServer> {
  const folder = makeFolder();
  const port = await freePort();
  const close = await startServer(folder, {
    program: "nats-server",
    args: ["--addr", "127.0.0.1", "--port", String(port), "--jetstream", "--store_dir", folder],
    output: "stderr",
    endBy: "SIGKILL",
  });
  return { url: `nats://127.0.0.1:${port}`, close };
}
