import { assertOptions, checks } from "@busbar/core/provider";
import type {
  ErrorClass,
  Notifier,
  NotifierRequest,
  NotifierResult,
  SettingsSchema,
} from "../contract/notifier.ts";
import { type AuthSettings, Authorizer } from "../http/auth.ts";
import { type HttpAnswer, HttpClient, KEPT_BYTES } from "../http/client.ts";
import { faultOf } from "../http/fault-of.ts";
import { AddressGuard } from "../http/guard.ts";
import { type NetworkOptions, networkChecks } from "../http/network-options.ts";
import { isSecretHeader } from "../http/header-rules.ts";
import { HttpFault } from "../http/http-fault.ts";
import { parseRetryAfter } from "../http/retry-after.ts";
import type { Limit } from "../http/within.ts";
import { urlProblem } from "../http/url-problem.ts";
import { formatBody } from "../signing/body-formats.ts";
import { attemptHeaders, magentoSignature, NEEDS_SHARED_SECRET } from "../signing/signer.ts";
import { type HttpSettings, httpSettings, type StatusRule } from "./http-settings.ts";

/** Options of {@link httpNotifier}. */
export interface HttpNotifierOptions extends NetworkOptions {
  /**
   * Whether destinations may have `http:` URLs, so that anybody on the way reads what is delivered.
   *
   * @default true unless `NODE_ENV` is "production"
   */
  readonly allowHttp?: boolean | undefined;
  /**
   * The `source` of CloudEvents: a URI reference that says which application events are from.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

const REDACTED = "[redacted]";
/** Milliseconds that an overloaded destination is left alone, at least. */
const OVERLOADED_MS = 60_000;
/** Texts below this length are too common to be taken out of answers. */
const SHORTEST_SECRET = 6;

/**
 * Posts deliveries to URLs, signed as Standard Webhooks says.
 *
 * An attempt has 15 s by default, 5 s of them for the connection. Every 2xx is a success. A redirect is a failure and is
 * not followed; 410 disables the subscription; 408, 425, 429, 5xx and faults of the network are attempted again, other
 * answers are not. `statusRules` of a subscription change that. Connections to private and reserved addresses are
 * refused: see {@link NetworkOptions}.
 *
 * @throws TypeError when an option is not what it can be. RangeError when `allow` or `deny` has what is no range.
 */
export function httpNotifier(options: HttpNotifierOptions = {}): Notifier<HttpSettings> {
  assertOptions("httpNotifier()", options, {
    ...networkChecks,
    allowHttp: checks.boolean,
    source: checks.text,
  });
  return new HttpNotifier(options);
}

class HttpNotifier implements Notifier<HttpSettings> {
  readonly name = "http";
  readonly title = "HTTP";
  readonly signs = true;
  readonly settings: SettingsSchema<HttpSettings>;
  readonly #guard: AddressGuard;
  readonly #client: HttpClient;
  readonly #authorizer: Authorizer;
  readonly #allowHttp: boolean;
  readonly #source: string | undefined;

  constructor(options: HttpNotifierOptions) {
    const {
      allowHttp = process.env["NODE_ENV"] !== "production",
      proxy,
      connectTimeoutMs,
    } = options;
    this.#guard = new AddressGuard(options);
    this.#client = new HttpClient({ guard: this.#guard, proxy, connectTimeoutMs });
    this.#authorizer = new Authorizer(this.#client);
    this.#allowHttp = allowHttp;
    this.#source = options.source;
    this.settings = httpSettings((url) => this.#problemOf(url));
  }

  checkDestination(destination: string): string | undefined {
    return this.#problemOf(destination);
  }

  async deliver(request: NotifierRequest<HttpSettings>): Promise<NotifierResult> {
    const sent = new SentHeaders();
    try {
      return await this.#attempt(request, sent);
    } catch (error) {
      const { errorClass, retryable, message } = faultOf(error);
      const isTimeout = errorClass === "timeout" || errorClass === "connect_timeout";
      return {
        ok: false,
        retryable,
        errorClass,
        error: sent.redact(message),
        requestHeaders: sent.shown(),
        ...(isTimeout && { retryAfterMs: OVERLOADED_MS }),
      };
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #attempt(
    request: NotifierRequest<HttpSettings>,
    sent: SentHeaders,
  ): Promise<NotifierResult> {
    const { settings, subscription, signal } = request;
    const problem = this.#problemOf(subscription.destination);
    if (problem !== undefined) {
      throw new HttpFault("invalid_settings", `The destination must ${problem}`, {
        retryable: false,
      });
    }
    const url = new URL(subscription.destination);
    const deadline = performance.now() + settings.timeoutMs;
    const body = this.#write(request, sent);
    const post = async (): Promise<HttpAnswer> => {
      await this.#authorize(settings.auth, sent, {
        timeoutMs: deadline - performance.now(),
        signal,
      });
      const { tls } = settings;
      const timeoutMs = Math.max(1, Math.ceil(deadline - performance.now()));
      return this.#client.post({ url, headers: sent.all, body, timeoutMs, signal, tls });
    };
    let answer = await post();
    const { auth } = settings;
    if (
      answer.status === 401 &&
      auth &&
      (await this.#authorizer.refused(auth, sent.authorization))
    ) {
      answer = await post();
    }
    return resultOf(answer, request, sent);
  }

  /** Writes the body, and all headers but `Authorization`. */
  #write(request: NotifierRequest<HttpSettings>, sent: SentHeaders): Buffer {
    const { settings, delivery, subscription, now } = request;
    const { secrets } = subscription;
    const { headers, body } = formatBody(settings.format, request, { source: this.#source });
    sent.add({ "user-agent": "Busbar-Webhooks", accept: "*/*", ...lowerCase(settings.headers) });
    sent.add(lowerCase(settings.sensitiveHeaders), { secret: true });
    sent.add(headers);
    const isSigned = settings.signatures.includes("standard");
    sent.add(isSigned ? request.sign(body) : attemptHeaders({ id: delivery.id, timestamp: now }));
    if (settings.signatures.includes("magento")) {
      const shared = secrets.find(({ type }) => type === "v1");
      if (!shared) {
        throw new HttpFault("invalid_settings", NEEDS_SHARED_SECRET, { retryable: false });
      }
      sent.add({ "x-magento-signature": magentoSignature(body, shared) });
    }
    return body;
  }

  async #authorize(auth: AuthSettings | undefined, sent: SentHeaders, limit: Limit): Promise<void> {
    if (!auth) return;
    if (auth.type === "oauth2") sent.hide(auth.clientSecret);
    if (auth.type === "basic") sent.hide(auth.password);
    const authorization = await this.#authorizer.valueFor(auth, limit);
    sent.add({ authorization }, { secret: true });
  }

  #problemOf(url: string): string | undefined {
    return urlProblem(url, this.#guard, { allowHttp: this.#allowHttp });
  }
}

/** The headers of one attempt, and what of them the log may show. */
class SentHeaders {
  readonly all: Record<string, string> = {};
  readonly #secretNames = new Set<string>();
  readonly #secrets = new Set<string>();

  /** The value of `Authorization`, or nothing. */
  get authorization(): string {
    return this.all["authorization"] ?? "";
  }

  /** @param headers Names in lower case. */
  add(headers: Readonly<Record<string, string>>, { secret = false } = {}): void {
    for (const [name, value] of Object.entries(headers)) {
      this.all[name] = value;
      if (!secret && !isSecretHeader(name)) continue;
      this.#secretNames.add(name);
      this.hide(value);
      // Of "Bearer token", what comes after the scheme is the secret.
      this.hide(value.slice(value.indexOf(" ") + 1));
    }
  }

  /** Keeps a text out of what is logged. */
  hide(secret: string): void {
    if (secret.length >= SHORTEST_SECRET) this.#secrets.add(secret);
  }

  shown(): Readonly<Record<string, string>> {
    const entries = Object.entries(this.all);
    return Object.fromEntries(
      entries.map(([name, value]) => [name, this.#secretNames.has(name) ? REDACTED : value]),
    );
  }

  /** A text of the destination, which may repeat what it was sent. */
  redact(text: string): string {
    let redacted = text;
    for (const secret of this.#secrets) redacted = redacted.replaceAll(secret, REDACTED);
    return redacted;
  }
}

function resultOf(
  { status, headers, body }: HttpAnswer,
  { settings, now }: NotifierRequest<HttpSettings>,
  sent: SentHeaders,
): NotifierResult {
  const meaning = settings.statusRules.find((rule) => fits(rule, status))?.do ?? meaningOf(status);
  const seen = {
    status,
    requestHeaders: sent.shown(),
    response: limited(sent.redact(textOf(body, headers["content-encoding"]))),
  };
  if (meaning === "succeed") return { ok: true, retryable: false, ...seen };
  const asked = parseRetryAfter(headerOf(headers["retry-after"]), headerOf(headers["date"]), now);
  const retryAfterMs = status === 429 ? Math.max(asked ?? 0, OVERLOADED_MS) : asked;
  const isRedirect = status >= 300 && status < 400;
  return {
    ok: false,
    retryable: meaning === "retry",
    ...(meaning === "disable" && { gone: true }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    errorClass: classOf(status),
    error: `The destination answered ${status}${isRedirect ? ", and redirects are not followed" : ""}`,
    ...seen,
  };
}

function fits({ status: expected }: StatusRule, status: number): boolean {
  if (typeof expected === "number") return status === expected;
  if (typeof expected === "string") return Math.floor(status / 100) === Number(expected[0]);
  return status >= expected[0] && status <= expected[1];
}

function meaningOf(status: number): StatusRule["do"] {
  if (status >= 200 && status < 300) return "succeed";
  if (status === 410) return "disable";
  const isRetryable = status >= 500 || [408, 425, 429].includes(status);
  return isRetryable ? "retry" : "fail";
}

function classOf(status: number): ErrorClass {
  if (status === 410) return "http_410";
  if (status === 429) return "http_429";
  if (status >= 500) return "http_5xx";
  if (status >= 400) return "http_4xx";
  // A rule may refuse a 2xx.
  return status >= 300 ? "redirect" : "rejected";
}

function headerOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** The body of an answer as text that a database can keep. A compressed one stays unread. */
function textOf(body: Buffer, encoding: string | string[] | undefined): string {
  const coding = headerOf(encoding) ?? "identity";
  if (coding !== "identity" && body.length > 0) return `[${body.length} bytes, encoded]`;
  return body.toString("utf8").replaceAll("\u0000", "\uFFFD");
}

/** Cuts a text to the bytes that are kept. */
function limited(text: string): string {
  if (Buffer.byteLength(text) <= KEPT_BYTES) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(KEPT_BYTES));
  return text.slice(0, read);
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
