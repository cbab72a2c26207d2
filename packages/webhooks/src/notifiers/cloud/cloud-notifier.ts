import type {
  Notifier,
  NotifierRequest,
  NotifierResult,
  SettingsSchema,
} from "../../contract/notifier.ts";
import { faultOf } from "../../http/fault-of.ts";
import { HttpFault } from "../../http/http-fault.ts";
import { interruption, within } from "../../http/within.ts";
import { ClientPool } from "./client-pool.ts";
import { CloudFault } from "./cloud-fault.ts";

/** What one service needs, so that it becomes a notifier. */
export interface CloudService<Settings, Client> {
  readonly name: string;
  readonly title: string;
  readonly settings: SettingsSchema<Settings>;
  readonly checkDestination: (destination: string, settings: Settings) => string | undefined;
  /** The parts of a request that a client is made of. Requests that have the same share one. */
  readonly partsOf: (request: NotifierRequest<Settings>) => readonly unknown[];
  /** Loads the library and makes a client. */
  readonly open: (request: NotifierRequest<Settings>) => Promise<Client>;
  /**
   * Sends once, and resolves with what the service has answered when it has accepted the delivery.
   *
   * @param signal Aborted when nobody waits any more.
   */
  readonly send: (
    client: Client,
    request: NotifierRequest<Settings>,
    signal: AbortSignal,
  ) => Promise<CloudReceipt>;
  readonly close: (client: Client) => unknown;
  /** What an error of the library means. Undefined for what the network says. */
  readonly faultOf: (error: unknown, request: NotifierRequest<Settings>) => HttpFault | undefined;
  /** Texts within the settings that are secret. */
  readonly secretsOf: (settings: Settings) => readonly (string | undefined)[];
  /** Closes what all clients share. */
  readonly end?: () => Promise<void>;
}

/** How a service has accepted a delivery. */
export interface CloudReceipt {
  readonly status?: number | undefined;
  /** Such as the id that the service has given the message. */
  readonly response?: string | undefined;
}

/** What settings of all of these notifiers have. */
export interface CloudSettings {
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

const REDACTED = "[redacted]";
/** Texts below this length are too common to be taken out of answers. */
const SHORTEST_SECRET = 6;
/** Characters of an answer that are kept. */
const MOST_RESPONSE = 4_000;
/** Faults after which a client is made anew. */
const BREAKING: ReadonlySet<string> = new Set([
  "authentication",
  "connect_timeout",
  "connection_refused",
  "connection_reset",
  "dns_error",
  "timeout",
  "tls_error",
]);

/** Makes a notifier of a service: checks, clients that are shared and closed, time limits, and secrets left out. */
export function cloudNotifier<Settings extends CloudSettings, Client>(
  service: CloudService<Settings, Client>,
): Notifier<Settings> {
  return new CloudNotifier(service);
}

class CloudNotifier<Settings extends CloudSettings, Client> implements Notifier<Settings> {
  readonly name: string;
  readonly title: string;
  readonly settings: SettingsSchema<Settings>;
  readonly signs = false;
  readonly #service: CloudService<Settings, Client>;
  readonly #clients: ClientPool<Client>;

  constructor(service: CloudService<Settings, Client>) {
    this.name = service.name;
    this.title = service.title;
    this.settings = service.settings;
    this.#service = service;
    this.#clients = new ClientPool(service.close);
  }

  checkDestination(destination: string, settings: Settings): string | undefined {
    return this.#service.checkDestination(destination, settings);
  }

  async deliver(request: NotifierRequest<Settings>): Promise<NotifierResult> {
    const { settings, signal } = request;
    const ending = new AbortController();
    const shown = (text: string | undefined): string | undefined => this.#shown(text, settings);
    try {
      this.#assertDestination(request);
      if (signal.aborted) throw interruption(signal);
      const limit = { timeoutMs: settings.timeoutMs, signal };
      const sent = this.#send(request, ending.signal);
      const { status, response } = await within(limit, sent, () => {
        return new HttpFault("timeout", `There was no answer in ${settings.timeoutMs} ms`);
      });
      return { ok: true, retryable: false, status, response: shown(response) };
    } catch (error) {
      const fault = this.#faultOf(error, request);
      const { status, retryAfterMs, response } = fault instanceof CloudFault ? fault.answer : {};
      return {
        ok: false,
        retryable: fault.retryable,
        errorClass: fault.errorClass,
        error: shown(fault.message),
        ...(status !== undefined && { status }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
        ...(response !== undefined && { response: shown(response) }),
      };
    } finally {
      ending.abort();
    }
  }

  async close(): Promise<void> {
    await this.#clients.close();
    await this.#service.end?.();
  }

  async #send(request: NotifierRequest<Settings>, signal: AbortSignal): Promise<CloudReceipt> {
    const key = JSON.stringify(this.#service.partsOf(request));
    const { client, release } = await this.#clients.take(key, () => this.#service.open(request));
    let isBroken = false;
    try {
      // The attempt may have ended while the client was opened: then nothing is sent.
      if (signal.aborted) throw interruption(request.signal);
      return await this.#service.send(client, request, signal);
    } catch (error) {
      isBroken = BREAKING.has(this.#faultOf(error, request).errorClass);
      throw error;
    } finally {
      release(isBroken);
    }
  }

  #assertDestination({ subscription, settings }: NotifierRequest<Settings>): void {
    const problem = this.checkDestination(subscription.destination, settings);
    if (problem === undefined) return;
    throw new HttpFault("invalid_settings", `The destination must ${problem}`, {
      retryable: false,
    });
  }

  #faultOf(error: unknown, request: NotifierRequest<Settings>): HttpFault {
    if (error instanceof HttpFault) return error;
    return this.#service.faultOf(error, request) ?? faultOf(error);
  }

  /** A text for the log: short, storable, and without the secrets of the settings. */
  #shown(text: string | undefined, settings: Settings): string | undefined {
    if (text === undefined) return undefined;
    let shown = text;
    for (const secret of this.#service.secretsOf(settings)) {
      if (secret !== undefined && secret.length >= SHORTEST_SECRET) {
        shown = shown.replaceAll(secret, REDACTED);
      }
    }
    return shown.slice(0, MOST_RESPONSE).toWellFormed().replaceAll("\u0000", "\uFFFD");
  }
}
