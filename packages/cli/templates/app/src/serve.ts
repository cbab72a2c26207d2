import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type EventBus, isBusbarError } from "@busbar/core";
// @if webhooks
import { getRequestListener } from "@hono/node-server";
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
  const server = createServer((request, response) => {
    // @if webhooks
    if (request.url?.startsWith("/webhooks/")) {
      void webhooks(request, response);
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
  console.log(`Listening on http://localhost:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.close();
    server.closeIdleConnections();
    await once(server, "close");
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
