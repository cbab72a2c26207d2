import type { Socket } from "node:net";
import { promisify } from "node:util";
import { assertOptions } from "@busbar/core/provider";
import { z } from "zod";
import type {
  Notifier,
  NotifierRequest,
  NotifierResult,
  SettingsSchema,
} from "../contract/notifier.ts";
import { type ClientTls, createConnector } from "../http/connector.ts";
import { faultOf } from "../http/fault-of.ts";
import { AddressGuard } from "../http/guard.ts";
import { HttpFault } from "../http/http-fault.ts";
import { type NetworkOptions, networkChecks } from "../http/network-options.ts";
import { tlsSettings } from "../http/tls-settings.ts";
import { Tunnel } from "../http/tunnel.ts";
import { interruption, within } from "../http/within.ts";
import { jsonLine } from "./json-line.ts";
import { LineConnection } from "./line-connection.ts";

/** What a subscription of the notifier `tcp` says besides its destination. */
export interface TcpSettings {
  /** Whether each line must be answered by a line. */
  readonly acknowledge: boolean;
  /** Our certificate, and whom to trust, for `tls:` destinations. */
  readonly tls?: ClientTls | undefined;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

/** Milliseconds that an unused connection stays open. */
const IDLE_MS = 60_000;
/** Connections that are kept. Beyond, an unused one is closed for a new one. */
const MOST_CONNECTIONS = 512;
const DESTINATION = /^(tcp|tls):\/\/([^/?#@\s]+)\/?$/;

const settings: SettingsSchema<TcpSettings> = z.strictObject({
  acknowledge: z.boolean().default(true).meta({
    title: "Acknowledged",
    description: "Whether the other side answers each line with a line: ok, or what is wrong",
  }),
  tls: tlsSettings.optional().meta({ title: "TLS" }),
  timeoutMs: z.int().min(100).max(30_000).default(15_000).meta({
    title: "Timeout",
    description: "Milliseconds for an attempt, the connection included",
  }),
});

/**
 * Writes each delivery as one line of JSON, a CloudEvent, to a TCP or TLS connection that is kept: destinations are
 * `tcp://host:port` and `tls://host:port`.
 *
 * The other side answers each line, in their order: `ok` accepts the delivery, a line that begins with `fail` refuses it
 * for good, and any other line refuses it for now. With `acknowledge: false` it answers nothing; then a delivery counts
 * as accepted as soon as the operating system has taken it, and is lost if the connection breaks off after that.
 *
 * @throws TypeError when an option is not what it can be. RangeError when `allow` or `deny` has what is no range.
 */
export function tcpNotifier(options: NetworkOptions = {}): Notifier<TcpSettings> {
  assertOptions("tcpNotifier()", options, networkChecks);
  return new TcpNotifier(options);
}

class TcpNotifier implements Notifier<TcpSettings> {
  readonly name = "tcp";
  readonly title = "TCP";
  readonly signs = false;
  readonly settings = settings;
  readonly #guard: AddressGuard;
  readonly #tunnel: Tunnel | undefined;
  readonly #connectTimeoutMs: number;
  /** By destination and settings. */
  readonly #connections = new Map<string, Promise<LineConnection>>();
  /** Those of them that are open, the one opened first first. */
  readonly #open = new Map<string, LineConnection>();
  #closed = false;

  constructor(options: NetworkOptions) {
    const { proxy, connectTimeoutMs = 5_000 } = options;
    this.#guard = new AddressGuard(options);
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#tunnel =
      proxy === undefined ? undefined : new Tunnel(proxy, this.#guard, connectTimeoutMs);
  }

  checkDestination(destination: string): string | undefined {
    const target = targetOf(destination);
    if (!target) return "be a URL such as tcp://host:port or tls://host:port";
    try {
      this.#guard.assertHost(target.hostname);
    } catch {
      return "have an address that deliveries may go to, or a name";
    }
    return undefined;
  }

  async deliver(request: NotifierRequest<TcpSettings>): Promise<NotifierResult> {
    const { subscription, settings: its, signal } = request;
    const attempt = { isOver: false };
    try {
      const problem = this.checkDestination(subscription.destination);
      if (problem !== undefined) {
        throw new HttpFault("invalid_settings", `The destination must ${problem}`, {
          retryable: false,
        });
      }
      const limit = { timeoutMs: its.timeoutMs, signal };
      return await within(limit, this.#send(request, attempt), () => {
        const late = new HttpFault("timeout", `There was no answer in ${its.timeoutMs} ms`);
        // What comes now could be the answer to another line.
        this.#open.get(keyOf(request))?.end(late);
        return late;
      });
    } catch (error) {
      const { errorClass, retryable, message } = faultOf(error);
      return { ok: false, retryable, errorClass, error: message };
    } finally {
      attempt.isOver = true;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    const fault = new HttpFault("interrupted", "The notifier is closed");
    for (const connection of connections) {
      await connection.then(
        (open) => open.end(fault),
        () => {},
      );
    }
  }

  /** @param attempt Is over when nobody waits any more: then nothing is sent. */
  async #send(
    request: NotifierRequest<TcpSettings>,
    attempt: { readonly isOver: boolean },
  ): Promise<NotifierResult> {
    const line = jsonLine(request);
    if (request.signal.aborted) throw interruption(request.signal);
    const connection = await this.#connectionFor(request);
    if (attempt.isOver) throw interruption(request.signal);
    if (!request.settings.acknowledge) {
      await connection.tell(line);
      return { ok: true, retryable: false };
    }
    const response = await connection.ask(line);
    if (/^ok\b/i.test(response)) return { ok: true, retryable: false, response };
    const retryable = !/^fail/i.test(response);
    const error = "The destination has refused the delivery";
    return { ok: false, retryable, errorClass: "rejected", error, response };
  }

  #connectionFor(request: NotifierRequest<TcpSettings>): Promise<LineConnection> {
    const key = keyOf(request);
    const kept = this.#connections.get(key);
    if (kept) return kept;
    const made = this.#connect(request, key);
    this.#connections.set(key, made);
    made.catch(() => {
      if (this.#connections.get(key) === made) this.#connections.delete(key);
    });
    return made;
  }

  async #connect(
    { subscription, settings: { tls } }: NotifierRequest<TcpSettings>,
    key: string,
  ): Promise<LineConnection> {
    const target = targetOf(subscription.destination);
    if (!target || this.#closed) throw new HttpFault("interrupted", "The notifier is closed");
    const connect = promisify(
      createConnector({
        guard: this.#guard,
        tunnel: this.#tunnel,
        connectTimeoutMs: this.#connectTimeoutMs,
        tls,
      }) as (options: typeof target, done: (error: Error | null, socket: Socket) => void) => void,
    );
    const socket = await connect(target);
    if (this.#open.size >= MOST_CONNECTIONS) this.#closeUnused();
    const connection = new LineConnection(socket, IDLE_MS, () => {
      if (this.#open.get(key) !== connection) return;
      this.#open.delete(key);
      this.#connections.delete(key);
    });
    this.#open.set(key, connection);
    if (this.#closed) connection.end(new HttpFault("interrupted", "The notifier is closed"));
    return connection;
  }

  #closeUnused(): void {
    for (const connection of this.#open.values()) {
      if (!connection.isIdle) continue;
      connection.end(new HttpFault("interrupted", "The connection is not kept"));
      return;
    }
  }
}

/** What decides whether two deliveries can have the same connection. */
function keyOf({
  subscription,
  settings: { acknowledge, tls },
}: NotifierRequest<TcpSettings>): string {
  return JSON.stringify([subscription.destination, acknowledge, tls]);
}

/** A destination as connectors take it. */
function targetOf(destination: string):
  | {
      readonly hostname: string;
      readonly host: string;
      readonly protocol: string;
      readonly port: string;
    }
  | undefined {
  const [, scheme, host] = DESTINATION.exec(destination) ?? [];
  const url = `http://${host}/`;
  if (host === undefined || !/:\d+$/.test(host) || destination.length > 2_048) return undefined;
  if (!URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  return {
    hostname: hostname.replaceAll(/^\[|\]$/g, ""),
    host,
    protocol: scheme === "tls" ? "https:" : "http:",
    // The port of http is left out of its URLs.
    port: port === "" ? "80" : port,
  };
}
