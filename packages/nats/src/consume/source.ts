import {
  createInbox,
  type Msg,
  nanos,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import type { ProviderContext, Timer } from "@busbar/core/provider";
import { type PullStatus, type QueueMessage, readMessage } from "./message.ts";

/** Milliseconds that NATS holds a request for messages while there are none, at most. */
const WAIT_MS = 5_000;
/** Milliseconds after that until NATS is not expected to answer any more. */
const LATE_MS = 500;
/** Statuses that end a request without a fault: no messages, its time is over, the connection of NATS changes. */
const ENDINGS: ReadonlySet<number> = new Set([404, 408, 409]);
const CONSUMER_IS_GONE = /deleted/i;

/** A consumer of NATS, as this process asks it. */
export interface Source {
  /**
   * Asks for messages, and waits for them for some milliseconds, 5 000 by default. Resolves when no more of them come.
   * Rejects if the consumer is gone.
   */
  pull(count: number, push: (message: QueueMessage) => void, waitMs?: number): Promise<void>;
  /** Ends all requests: NATS has forgotten them. */
  forget(): void;
  /** Asks no more. Resolves once nothing is on its way to this process. */
  close(): Promise<void>;
}

/** A request that NATS is answering. */
interface Request {
  left: number;
  readonly push: (message: QueueMessage) => void;
  end(error?: Error): void;
}

/** A subject for answers. It has one request at a time: what NATS sends does not say which one it is for. */
interface Inbox {
  readonly subject: string;
  readonly subscription: Subscription;
  request: Request | undefined;
}

/**
 * The milliseconds that NATS may hold a request. Requests of a process that died end before its leases. Otherwise a server
 * of 2.9 may find only such requests for a message that it delivers again, and count deliveries wrongly.
 */
export function waitMsOf(leaseMs: number): number {
  return Math.min(WAIT_MS, leaseMs / 2);
}

/**
 * Makes a source. Its inboxes stay open, so that no message gets lost that comes after its request has ended. The client's
 * own `fetch` drops such messages, and they would come again only after the lease.
 */
export function createSource(
  connection: NatsConnection,
  clock: ProviderContext["clock"],
  stream: string,
  consumer: string,
  waitMs: number,
): Source {
  const inboxes: Inbox[] = [];
  let pushLate: ((message: QueueMessage) => void) | undefined;

  function open(): Inbox {
    const subject = createInbox();
    const subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) receive(inbox, message);
      },
    });
    const inbox: Inbox = { subject, subscription, request: undefined };
    inboxes.push(inbox);
    return inbox;
  }

  function receive({ request }: Inbox, message: Msg): void {
    const read = readMessage(message);
    if ("code" in read) {
      request?.end(faultOf(read));
      return;
    }
    (request?.push ?? pushLate)?.(read);
    if (request && --request.left === 0) request.end();
  }

  function forget(): void {
    for (const { request } of inboxes) request?.end();
  }

  return {
    pull(count, push) {
      pushLate = push;
      const inbox = inboxes.find(({ request }) => !request) ?? open();
      return new Promise((resolve, reject) => {
        const timer: Timer = clock.setTimeout(() => request.end(), waitMs + LATE_MS);
        const request: Request = {
          left: count,
          push,
          end(error) {
            timer.cancel();
            inbox.request = undefined;
            if (error) reject(error);
            else resolve();
          },
        };
        inbox.request = request;
        connection.publish(
          `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
          JSON.stringify({ batch: count, expires: nanos(waitMs) }),
          { reply: inbox.subject },
        );
      });
    },

    forget,

    async close() {
      if (!connection.isClosed()) {
        await Promise.all(inboxes.map(({ subscription }) => subscription.drain()));
      }
      forget();
    },
  };
}

function faultOf({ code, description }: PullStatus): Error | undefined {
  if (ENDINGS.has(code) && !CONSUMER_IS_GONE.test(description)) return undefined;
  return new Error(`NATS answers ${code} ${description}`);
}
