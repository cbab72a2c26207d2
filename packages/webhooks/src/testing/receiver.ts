import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { assertOptions, checks } from "@busbar/core/provider";

/** A plain answer of a {@link Receiver}. */
export interface ReceiverReply {
  /** @default 200 */
  readonly status?: number | undefined;
  /** Headers of the answer, such as `{ "retry-after": "120" }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * The body of the answer.
   *
   * @default ""
   */
  readonly body?: string | Uint8Array | undefined;
  /**
   * Milliseconds between the request and the answer.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined;
}

/**
 * What a {@link Receiver} does with a request.
 *
 * - a number: answers with this status code.
 * - `hang`: reads the request, and never answers.
 * - `drip`: answers 200, and then sends one byte every 20 ms, without an end.
 * - `flood`: answers 200, and then sends as much as the other side takes, without an end.
 * - `reset`: reads the request, and resets the connection.
 * - `close-early`: announces a body of 1 000 bytes, sends a few, and closes the connection.
 * - `garbage`: answers with something that is not HTTP.
 */
export type ReceiverAnswer =
  | number
  | ReceiverReply
  | "hang"
  | "drip"
  | "flood"
  | "reset"
  | "close-early"
  | "garbage";

/** A request that a {@link Receiver} has read whole. */
export interface ReceivedRequest {
  /** The number of the request at this receiver, from 1. */
  readonly number: number;
  /** The HTTP method, such as `POST`. */
  readonly method: string;
  /** The path and the query. */
  readonly path: string;
  /** The headers, their names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The bytes of the body. */
  readonly body: Buffer;
  /** When the request was complete, by `performance.now()`. */
  readonly at: number;
  /** Returns the body as the JSON that it is. */
  json(): unknown;
}

/** Options of {@link startReceiver}. */
export interface ReceiverOptions {
  /**
   * Answers for the first requests, one each, in their order.
   *
   * @default []
   */
  readonly answers?: readonly ReceiverAnswer[] | undefined;
  /**
   * The answer for every other request, or the function that chooses one.
   *
   * @default 200
   */
  readonly otherwise?: ReceiverAnswer | ((request: ReceivedRequest) => ReceiverAnswer) | undefined;
  /**
   * Requests that are kept in `requests`; the oldest are dropped.
   *
   * @default 10_000
   */
  readonly maxKept?: number | undefined;
  /**
   * The address to listen on.
   *
   * @default "127.0.0.1"
   */
  readonly host?: string | undefined;
  /** The key and certificate to serve `https:` with. Without them the receiver serves `http:`. */
  readonly tls?: Pick<ServerOptions, "key" | "cert" | "ca" | "requestCert"> | undefined;
}

/** A real HTTP server for tests, which answers as it was told to and records what it gets. */
export interface Receiver extends AsyncDisposable {
  /** Where it is, such as `http://127.0.0.1:40123/`. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /** The requests so far, oldest first. */
  readonly requests: readonly ReceivedRequest[];
  /** Connections that are open now. */
  readonly connections: number;
  /** Answers the next requests so, after the answers that were given before. */
  answer(...answers: readonly ReceiverAnswer[]): void;
  /**
   * Returns the oldest request that `next` has not returned yet, and waits for it.
   *
   * @param timeoutMs Milliseconds to wait at most: 5_000 by default.
   * @throws Error when none has come in that time.
   */
  next(timeoutMs?: number): Promise<ReceivedRequest>;
  /**
   * Waits until so many requests have come in all.
   *
   * @param timeoutMs Milliseconds to wait at most: 5_000 by default.
   * @throws Error that says how many have come.
   */
  received(count: number, timeoutMs?: number): Promise<void>;
  /** Closes the server and all its connections. */
  close(): Promise<void>;
}

const DRIP_EVERY_MS = 20;

/**
 * Starts an HTTP server on a free port, which plays the endpoint of a webhook.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { startReceiver } from "@busbar/webhooks/testing";
 *
 * await using receiver = await startReceiver({ answers: [503, "reset"] });
 * // … a subscription whose destination is receiver.url
 * await receiver.received(3);
 * ```
 */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  assertOptions("startReceiver()", options, {
    answers: (value) => (Array.isArray(value) ? undefined : "must be an array"),
    otherwise: checks.anything,
    maxKept: checks.wholeFrom(1),
    host: checks.text,
    tls: checks.object,
  });
  const { otherwise = 200, maxKept = 10_000, host = "127.0.0.1", tls } = options;
  const answers = [...(options.answers ?? [])];
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  const watchers = new Set<() => void>();
  let count = 0;
  let taken = 0;
  const closing = new AbortController();

  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    // What the other side breaks off has no answer.
    void receive(message, response).catch(() => response.destroy());
  };
  async function receive(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    count += 1;
    const request = toRequest(count, message, Buffer.concat(chunks));
    requests.push(request);
    if (requests.length > maxKept) requests.shift();
    for (const look of watchers) look();
    const answer =
      answers.shift() ?? (typeof otherwise === "function" ? otherwise(request) : otherwise);
    await reply(response, answer, closing.signal);
  }

  const server: Server = tls ? createTlsServer(tls, onRequest) : createServer(onRequest);
  server.on(tls ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.add(socket.on("error", () => {}).once("close", () => sockets.delete(socket)));
  });
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const until = (enough: () => boolean, timeoutMs: number, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        watchers.delete(look);
        clearTimeout(timer);
        finish();
      };
      const look = (): void => {
        if (enough()) end(resolve);
      };
      const timer = setTimeout(() => {
        const message = `Waited ${timeoutMs} ms in vain for ${what}: ${count} have come`;
        end(() => reject(new Error(message)));
      }, timeoutMs);
      watchers.add(look);
      look();
    });

  const close = async (): Promise<void> => {
    if (closing.signal.aborted) return;
    closing.abort();
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}/`,
    port,
    requests,
    get connections() {
      return sockets.size;
    },
    answer(...more) {
      answers.push(...more);
    },
    async next(timeoutMs = 5_000) {
      taken += 1;
      const number = taken;
      await until(() => count >= number, timeoutMs, `request ${number}`);
      const found = requests.find((request) => request.number === number);
      if (!found) throw new Error(`Request ${number} is not kept any more: see maxKept`);
      return found;
    },
    received: (enough, timeoutMs = 5_000) =>
      until(() => count >= enough, timeoutMs, `${enough} requests`),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function toRequest(number: number, message: IncomingMessage, body: Buffer): ReceivedRequest {
  return {
    number,
    method: message.method ?? "",
    path: message.url ?? "",
    headers: message.headers,
    body,
    at: performance.now(),
    json: () => JSON.parse(body.toString("utf8")) as unknown,
  };
}

async function reply(
  response: ServerResponse,
  answer: ReceiverAnswer,
  signal: AbortSignal,
): Promise<void> {
  const { socket } = response;
  switch (answer) {
    case "hang":
      return;
    case "reset":
      socket?.resetAndDestroy();
      return;
    case "garbage":
      socket?.end("SSH-2.0-OpenSSH_9.2p1\r\n");
      return;
    case "close-early":
      response.writeHead(200, { "content-length": "1000" }).write("only this");
      socket?.end();
      return;
    case "drip":
    case "flood":
      response.writeHead(200);
      await pipeline(endless(answer, signal), response);
      return;
    default:
      await plainly(response, typeof answer === "number" ? { status: answer } : answer, signal);
  }
}

async function* endless(how: "drip" | "flood", signal: AbortSignal): AsyncGenerator<string> {
  const flood = ".".repeat(16_384);
  for (;;) {
    if (how === "drip") await sleep(DRIP_EVERY_MS, undefined, { signal });
    yield how === "drip" ? "." : flood;
  }
}

async function plainly(
  response: ServerResponse,
  { status = 200, headers = {}, body = "", delayMs = 0 }: ReceiverReply,
  signal: AbortSignal,
): Promise<void> {
  if (delayMs > 0) await sleep(delayMs, undefined, { signal });
  response.writeHead(status, headers).end(body);
}
