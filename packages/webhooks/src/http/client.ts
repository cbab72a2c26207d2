import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { type Connection, Connections } from "./connections.ts";
import { type ClientTls, createConnector } from "./connector.ts";
import { faultOf } from "./fault-of.ts";
import type { AddressGuard } from "./guard.ts";
import { HttpFault } from "./http-fault.ts";
import { type ProxyOptions, Tunnel } from "./tunnel.ts";
import { interruption } from "./within.ts";

/** Options of {@link HttpClient}. */
export interface HttpClientOptions {
  readonly guard: AddressGuard;
  readonly proxy?: string | ProxyOptions | undefined;
  /**
   * Milliseconds for a connection: look-up, TCP and TLS together.
   *
   * @default 5_000
   */
  readonly connectTimeoutMs?: number | undefined;
}

/** One POST. */
export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  /** Milliseconds for everything, from the look-up of the name to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly tls?: ClientTls | undefined;
}

/** An answer, whatever its status. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first bytes of the body, {@link KEPT_BYTES} at most. */
  readonly body: Buffer;
}

/** Bytes of an answer's body that are kept. */
export const KEPT_BYTES = 16_384;
/** Bytes of an answer's body that are read so that its connection can be used again. Beyond, it is closed. */
const READ_BYTES = 65_536;

/**
 * Posts to whatever subscriptions ask for, through the guard. Redirects are not followed, bodies are neither decoded nor
 * read to an end that does not come, and certificates are always checked. Connections are kept for a few seconds.
 */
export class HttpClient {
  readonly #guard: AddressGuard;
  readonly #connections: Connections;
  #closed = false;

  constructor({ guard, proxy, connectTimeoutMs = 5_000 }: HttpClientOptions) {
    this.#guard = guard;
    const tunnel = proxy === undefined ? undefined : new Tunnel(proxy, guard, connectTimeoutMs);
    this.#connections = new Connections((tls) =>
      createConnector({ guard, tunnel, connectTimeoutMs, tls }),
    );
  }

  /** Connections that are open or being opened. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Sends one request, and resolves with the answer, whatever its status.
   *
   * @throws HttpFault when there is no answer, or none within the time.
   */
  post(request: HttpRequest): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.#guard.assertHost(request.url.hostname);
      if (this.#closed) throw new HttpFault("interrupted", "The notifier is closed");
      if (request.signal.aborted) throw interruption(request.signal);
      new Exchange(request, this.#connections, resolve, reject).start();
    });
  }

  /** Closes all connections. Requests that still run fail. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#connections.close();
  }
}

/** One request on its way. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #connections: Connections;
  readonly #connection: Connection;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (fault: HttpFault) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#fail(interruption(this.#request.signal));
  #ended = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(
    request: HttpRequest,
    connections: Connections,
    resolve: (answer: HttpAnswer) => void,
    reject: (fault: HttpFault) => void,
  ) {
    const { url, tls, timeoutMs, signal } = request;
    this.#request = request;
    this.#connections = connections;
    this.#connection = connections.take(url.origin, tls);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => {
      this.#fail(new HttpFault("timeout", `There was no complete answer in ${timeoutMs} ms`));
    }, timeoutMs);
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  start(): void {
    const { url, headers, body } = this.#request;
    const path = url.pathname + url.search;
    try {
      this.#connection.client.dispatch(
        { path, method: "POST", headers: { ...headers }, body },
        this,
      );
    } catch (error) {
      this.#fail(faultOf(error));
    }
  }

  // undici takes an object for a handler of this kind if it has this method.
  onRequestStart(): void {}

  onRequestUpgrade(): void {
    this.#fail(new HttpFault("protocol_error", "The answer switches to another protocol"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = KEPT_BYTES - this.#size;
    if (room > 0) this.#chunks.push(room < chunk.length ? chunk.subarray(0, room) : chunk);
    this.#size += chunk.length;
    if (this.#size <= READ_BYTES || this.#ended) return;
    this.#end();
    this.#connections.drop(this.#connection);
    this.#answer();
  }

  onResponseEnd(): void {
    if (this.#ended) return;
    this.#end();
    this.#connections.giveBack(this.#connection);
    this.#answer();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(faultOf(error));
  }

  #answer(): void {
    const body = Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, body });
  }

  #fail(fault: HttpFault): void {
    if (this.#ended) return;
    this.#end();
    this.#connections.drop(this.#connection);
    this.#reject(fault);
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener("abort", this.#onAbort);
  }
}
