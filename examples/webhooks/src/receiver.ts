import { EventEmitter, once } from "node:events";
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Order } from "@busbar-examples/common-events";
import {
  createVerifier,
  WebhookVerificationError,
  type WebhookVerifier,
} from "@busbar/webhooks/verify";
import { listen, type Listening } from "./listen.ts";
import { line } from "./output.ts";

/** A system outside the shop. It is down for its first requests. */
export interface Receiver extends Listening {
  /** Takes requests that are signed with this secret, and no others. */
  trust(secret: string): void;
  /** Resolves when this many requests were answered, since the start. */
  answered(count: number): Promise<void>;
}

export async function startReceiver(requestsDown: number): Promise<Receiver> {
  const handled = new Set<string>();
  const progress = new EventEmitter();
  let verifier: WebhookVerifier | undefined;
  let count = 0;

  async function statusOf(request: IncomingMessage): Promise<number> {
    const body = await buffer(request);
    if (count < requestsDown) {
      line("receiver", "503: I am down");
      return 503;
    }
    try {
      // The verifier takes the bytes as they came: another JSON text would have another signature.
      const verified = await verifier?.verify(request.headers, body);
      if (!verified?.event) return 401;
      const { id, event } = verified;
      const { id: order, totalCents } = event.data as Order;
      const what = `${event.name}, order ${order}, ${(totalCents / 100).toFixed(2)} €`;
      // A delivery has one id over all of its attempts and replays. In an application: a unique column.
      line("receiver", `204: ${handled.has(id) ? "known already" : "verified"}: ${what}`);
      handled.add(id);
      return 204;
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      line("receiver", `401: ${error.message}`);
      return 401;
    }
  }

  const server = await listen((request, response) => {
    void statusOf(request).then((status) => {
      count += 1;
      response.writeHead(status).end();
      progress.emit("answered");
    });
  });
  return {
    ...server,
    trust(secret) {
      verifier = createVerifier({ secrets: secret });
    },
    async answered(wanted) {
      while (count < wanted) await once(progress, "answered");
    },
  };
}
