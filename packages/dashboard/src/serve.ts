import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { assertOptions, checks } from "@busbar/core/provider";
import { getRequestListener } from "@hono/node-server";
import type { Dashboard } from "./dashboard.ts";

/** Options of {@link serveDashboard}. */
export interface ServeOptions {
  /**
   * The port. 0: any that is free.
   *
   * @default 4000
   */
  readonly port?: number | undefined;
  /**
   * The address to listen at. With the default, only this machine reaches the dashboard.
   *
   * @default "127.0.0.1"
   */
  readonly host?: string | undefined;
}

/** A dashboard with a server of its own. */
export interface ServedDashboard extends AsyncDisposable {
  /** Where the dashboard is, such as `http://127.0.0.1:4000`. Without the base path. */
  readonly origin: string;
  /** Closes the server, and the connections of those who look. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Serves a dashboard by a server of its own, for a process that has none.
 *
 * @example
 * ```ts
 * const served = await serveDashboard(board, { port: 4000 });
 * console.log(board.createSignInLink(served.origin));
 * ```
 */
export async function serveDashboard(
  board: Dashboard,
  options: ServeOptions = {},
): Promise<ServedDashboard> {
  assertOptions("serveDashboard()", options, { port: checks.wholeFrom(0), host: checks.text });
  const { port = 4000, host = "127.0.0.1" } = options;
  const listener = nodeListener(board);
  const server = createServer((request, response) => void listener(request, response));
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closing;
  };
  return {
    origin: `http://${name}:${address.port}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Makes a listener for `node:http`, Express and others that have its requests and responses.
 *
 * @example
 * ```ts
 * app.use("/busbar", nodeListener(board)); // Express
 * ```
 */
export function nodeListener(
  board: Dashboard,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const listener = getRequestListener(board.fetch, { overrideGlobalObjects: false });
  return async (request, response) => {
    await listener(request, response);
  };
}
