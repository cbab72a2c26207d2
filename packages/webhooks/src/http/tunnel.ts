import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import type { AddressGuard } from "./guard.ts";
import { HttpFault } from "./http-fault.ts";

/** A forward proxy that all deliveries go through. */
export interface ProxyOptions {
  /**
   * The URL of an HTTP proxy that answers CONNECT, such as `http://user:password@proxy.internal:3128`. Its own address may
   * be private.
   */
  readonly url: string;
  /**
   * Whether the proxy finds the addresses of names, and keeps connections away from closed ones. By default this process
   * does both, and asks the proxy for the address: use it where the proxy alone can resolve names, or where it decides by
   * name. A URL that has a blocked address instead of a name is refused all the same.
   *
   * @default false
   */
  readonly resolvesNames?: boolean | undefined;
}

/** Opens connections through a forward proxy, and says whose fault it is when there is none. */
export class Tunnel {
  readonly #url: URL;
  readonly #resolvesNames: boolean;
  readonly #guard: AddressGuard;
  readonly #timeoutMs: number;

  /** @throws TypeError when the URL is not one of an HTTP proxy. */
  constructor(proxy: string | ProxyOptions, guard: AddressGuard, timeoutMs: number) {
    const { url, resolvesNames = false } = typeof proxy === "string" ? { url: proxy } : proxy;
    if (!URL.canParse(url) || !/^https?:/i.test(url)) {
      throw new TypeError("The URL of the proxy must start with http:// or https://");
    }
    this.#url = new URL(url);
    this.#resolvesNames = resolvesNames;
    this.#guard = guard;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Connects to a port of a host.
   *
   * @throws HttpFault `proxy_error` when the proxy is not reached, refuses, or breaks off; the class of the destination's
   *   fault when the proxy answers 502, 503 or 504, or keeps the connection and does not answer in time.
   */
  open(hostname: string, port: number): Promise<Socket> {
    let request: ClientRequest | undefined;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const isUnreached = request?.socket?.connecting ?? false;
        reject(
          isUnreached
            ? new HttpFault(
                "proxy_error",
                `The proxy could not be reached in ${this.#timeoutMs} ms`,
              )
            : new HttpFault("connect_timeout", `There was no connection in ${this.#timeoutMs} ms`),
        );
        request?.destroy();
      }, this.#timeoutMs);
      const connected = this.#target(hostname).then((address) => {
        const authority = `${address.includes(":") ? `[${address}]` : address}:${port}`;
        request = this.#request(authority);
        return connectThrough(request);
      });
      connected.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** The host as the proxy is asked for it. */
  async #target(hostname: string): Promise<string> {
    if (this.#resolvesNames) return hostname;
    const [address = hostname] = await this.#guard.addressesOf(hostname);
    return address;
  }

  #request(authority: string): ClientRequest {
    const { protocol, hostname, port, username, password } = this.#url;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const isTls = protocol === "https:";
    return (isTls ? requestHttps : requestHttp)({
      host: hostname.replaceAll(/^\[|\]$/g, ""),
      port: port === "" ? (isTls ? 443 : 80) : Number(port),
      method: "CONNECT",
      path: authority,
      agent: false,
      headers: {
        host: authority,
        ...(credentials !== ":" && {
          "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}`,
        }),
      },
    });
  }
}

function connectThrough(request: ClientRequest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const refused = ({ statusCode = 0 }: IncomingMessage): void => {
      request.destroy();
      reject(refusal(statusCode));
    };
    request
      .once("connect", (response: IncomingMessage, socket: Socket, head: Buffer) => {
        if (response.statusCode !== 200) {
          refused(response);
          return;
        }
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      })
      .once("response", refused)
      .on("error", (error: NodeJS.ErrnoException) => {
        const reason = error.code === undefined ? "" : ` (${error.code})`;
        const message = `The proxy could not be reached${reason}`;
        reject(new HttpFault("proxy_error", message, { cause: error }));
      })
      .end();
  });
}

function refusal(status: number): HttpFault {
  const message = `The proxy answered ${status}`;
  if (status === 504) return new HttpFault("connect_timeout", message);
  if (status === 502 || status === 503) return new HttpFault("connection_refused", message);
  return new HttpFault("proxy_error", message);
}
