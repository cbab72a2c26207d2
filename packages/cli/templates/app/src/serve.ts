import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type EventBus, isBusbarError } from "@busbar/core";
// @if dashboard
import { nodeListener } from "@busbar/dashboard";
// @end
// @if webhooks
import { getRequestListener } from "@hono/node-server";
// @end
// @if dashboard
import { board } from "./dashboard.ts";
// @end
import type { AppEvents } from "./events.ts";
import { type Order, placeOrder } from "./place-order.ts";
// @if webhooks
import { hooks } from "./webhooks.ts";
// @end

/** The part of the application that answers requests. */
export interface Served {
  readonly bus: EventBus<AppEvents>;
}

/** Starts the HTTP server. Resolves with a function that ends it. `busbar dev` calls it as well. */
export default async function serve({ bus }: Served): Promise<() => Promise<void>> {
  // @if webhooks
  const webhooks = getRequestListener(hooks.fetch);
  // @end
  // @if dashboard
  const page = nodeListener(board);
  // @end
  const server = createServer((request, response) => {
    // @if webhooks
    if (request.url?.startsWith("/webhooks/")) {
      void webhooks(request, response);
      return;
    }
    // @end
    // @if dashboard
    if (request.url?.startsWith("/busbar")) {
      void page(request, response);
      return;
    }
    // @end
    answer(bus, request).then(
      ([status, text]) => response.writeHead(status).end(`${text}\n`),
      // An emit rejects if the provider cannot be reached: the client may try again.
      () => response.writeHead(503).end("try again\n"),
    );
  });
  server.listen(Number(process.env["PORT"] ?? 3000));
  await once(server, "listening");
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  console.log(`Listening on ${origin}`);
  // @if dashboard
  if (process.env["NODE_ENV"] === "development") {
    console.log(`Dashboard: ${board.createSignInLink(origin)}`);
  }
  // @end
  return async () => {
    const closed = once(server, "close");
    server.close();
    server.closeIdleConnections();
    // Some clients keep a connection for as long as they can.
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
    await closed;
  };
}

async function answer(
  bus: EventBus<AppEvents>,
  request: IncomingMessage,
): Promise<[status: number, text: string]> {
  if (request.url === "/health") {
    const { status } = await bus.health();
    return [status === "up" ? 200 : 503, status];
  }
  if (request.method !== "POST" || request.url !== "/orders") return [404, "not found"];
  try {
    // The bus checks it against the schema of the event.
    const order = (await json(request)) as Order;
    await placeOrder(bus, order);
    return [202, `order ${order.orderId} is placed`];
  } catch (error) {
    if (error instanceof SyntaxError) return [400, "the body is no JSON"];
    if (isBusbarError(error, "BUSBAR_INVALID_EVENT")) return [400, error.message];
    throw error;
  }
}
