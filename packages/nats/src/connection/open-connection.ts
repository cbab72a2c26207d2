import type { ProviderContext } from "@busbar/core/provider";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { ResolvedOptions } from "../options.ts";

/** Milliseconds between two attempts to connect again. */
const RECONNECT_EVERY_MS = 200;

/** The connection to NATS, and whether it is there. */
export interface Connection {
  readonly connection: NatsConnection;
  /** Resolves when the connection is there; at once if it is. */
  connected(): Promise<void>;
  /** Calls back each time that the connection is lost. Returns what ends that. */
  onLost(callback: () => void): () => void;
  /** Ends the reports, and closes a connection that the provider has opened. */
  close(): Promise<void>;
}

/** Connects to NATS, and reports to the bus when the connection is lost, and when it is back. */
export async function openConnection(
  options: ResolvedOptions,
  { logger, report }: Pick<ProviderContext, "logger" | "report">,
): Promise<Connection> {
  const connection = options.connection ?? (await connectTo(options));
  const listeners = new Set<() => void>();
  let returned: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  let isClosed = false;

  /** What the bus throws must not end the watch. */
  function tell(state: "down" | "ready", server?: string): void {
    if (isClosed) return;
    try {
      report({ type: "state", state, server });
    } catch {
      // The bus has logged it.
    }
  }

  function lost(): void {
    if (returned) return;
    let resolve!: () => void;
    const promise = new Promise<void>((done) => (resolve = done));
    returned = { promise, resolve };
    tell("down");
    for (const listener of listeners) listener();
  }

  function back(server?: string): void {
    if (!returned) return;
    returned.resolve();
    returned = undefined;
    tell("ready", server);
  }

  async function watch(): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "disconnect" || status.type === "staleConnection") lost();
      else if (status.type === "reconnect") back(status.server);
      else if (status.type === "error") logger.warn({ err: status.error }, "NATS reports an error");
    }
  }

  // It rejects only if the logger throws.
  void watch().catch(() => {});
  tell("ready", connection.getServer());
  return {
    connection,
    connected: () => returned?.promise ?? Promise.resolve(),
    onLost(callback) {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    async close() {
      isClosed = true;
      back();
      if (!options.connection) await connection.close();
    },
  };
}

function connectTo({
  servers,
  connect: more,
  answerWithinMs,
}: ResolvedOptions): Promise<NatsConnection> {
  return connect({
    // A connection that hangs is noticed after two pings without an answer.
    pingInterval: answerWithinMs,
    maxPingOut: 1,
    reconnectTimeWait: RECONNECT_EVERY_MS,
    reconnectJitter: RECONNECT_EVERY_MS,
    timeout: answerWithinMs,
    ...more,
    maxReconnectAttempts: -1,
    servers: typeof servers === "string" ? servers : [...servers],
  });
}
