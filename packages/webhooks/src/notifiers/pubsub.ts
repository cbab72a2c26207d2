import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { v1 } from "@google-cloud/pubsub";
import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier, NotifierRequest, SettingsSchema } from "../contract/notifier.ts";
import { cloudMessage, type CloudMode } from "./cloud/cloud-body.ts";
import { classOfStatus, CloudFault } from "./cloud/cloud-fault.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { mode, secret, timeoutMs } from "./cloud/settings.ts";

/** The key of a service account of Google Cloud. */
export interface PubSubCredentials {
  /** As `client_email` of the key's file. */
  readonly clientEmail: string;
  /** As `private_key` of the key's file. */
  readonly privateKey: string;
}

/** What a subscription of the notifier `pubsub` says besides its destination. */
export interface PubSubSettings {
  /** The key of the service account that publishes. The application's by default. Secret. */
  readonly credentials?: PubSubCredentials | undefined;
  /** How the CloudEvent is written. */
  readonly mode: CloudMode;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

/** Options of {@link pubSubNotifier}. */
export interface PubSubNotifierOptions {
  /**
   * Who publishes for subscriptions that have no key of their own: a service account of the application, or `"default"`
   * for the Application Default Credentials. Whoever may subscribe can then publish to every topic that this identity
   * may publish to, so restrict it.
   *
   * @default none: each subscription must have a key
   */
  readonly credentials?: "default" | PubSubCredentials | undefined;
  /**
   * Where Pub/Sub is: that of a region, which order needs, or an emulator.
   *
   * @default "https://pubsub.googleapis.com"
   */
  readonly endpoint?: string | undefined;
  /**
   * The `source` of CloudEvents.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

/** A client, and the connections that it has. */
interface PubSubClient {
  readonly publisher: InstanceType<typeof v1.PublisherClient>;
  readonly agent: HttpAgent;
}

const TOPIC = /^projects\/[a-z][a-z\d.:-]{4,61}[a-z\d]\/topics\/[A-Za-z][\w.~+%-]{2,254}$/;
/** Bytes that an ordering key may have. */
const MOST_KEY_BYTES = 1_024;

/**
 * Publishes deliveries to topics of Google Cloud Pub/Sub as CloudEvents. A destination is `projects/…/topics/…`.
 *
 * The library `@google-cloud/pubsub` is loaded at the first delivery, and is used over HTTP. The ordering key of a
 * delivery is that of its message.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { pubSubNotifier } from "@busbar/webhooks/notifiers/pubsub";
 *
 * const hooks = webhooks({ events, notifiers: [pubSubNotifier()] });
 * ```
 */
export function pubSubNotifier(options: PubSubNotifierOptions = {}): Notifier<PubSubSettings> {
  assertOptions("pubSubNotifier()", options, {
    credentials: (value) =>
      value === "default" ? undefined : checks.object(value) && 'must be "default" or a key',
    endpoint: checks.text,
    source: checks.text,
  });
  const key = z
    .strictObject({
      clientEmail: z.string().min(1).max(320).meta({ title: "E-mail of the service account" }),
      privateKey: secret("Private key", 8_192),
    })
    .meta({ title: "Key of a service account" });
  const settings: SettingsSchema<PubSubSettings> = z.strictObject({
    credentials: options.credentials === undefined ? key : key.optional(),
    mode,
    timeoutMs,
  });
  return cloudNotifier<PubSubSettings, PubSubClient>({
    name: "pubsub",
    title: "Google Cloud Pub/Sub",
    settings,
    checkDestination: (destination) =>
      TOPIC.test(destination) ? undefined : "be a topic, such as projects/shop-1/topics/orders",
    partsOf: ({ settings: { credentials } }) => [credentials],
    open: ({ settings: { credentials } }) => open(credentials, options),
    send: ({ publisher }, request, signal) => send(publisher, request, signal, options.source),
    async close({ publisher, agent }) {
      await publisher.close();
      agent.destroy();
    },
    faultOf: pubSubFault,
    secretsOf: ({ credentials }) => [credentials?.privateKey],
  });
}

async function open(
  own: PubSubCredentials | undefined,
  options: PubSubNotifierOptions,
): Promise<PubSubClient> {
  const { v1 } = await optionalLibrary(
    "@google-cloud/pubsub",
    () => import("@google-cloud/pubsub"),
  );
  const credentials = own ?? options.credentials;
  const { protocol, hostname, port } = new URL(options.endpoint ?? "https://pubsub.googleapis.com");
  const isSecure = protocol === "https:";
  const publisher = new v1.PublisherClient({
    fallback: true,
    protocol: protocol.slice(0, -1),
    apiEndpoint: hostname,
    port: port === "" ? (isSecure ? 443 : 80) : Number(port),
    ...(typeof credentials === "object" && {
      credentials: { client_email: credentials.clientEmail, private_key: credentials.privateKey },
    }),
  });
  const agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true });
  // The library has connections that it never closes: these are our own.
  const { auth } = publisher;
  const fetch = auth.fetch.bind(auth) as (url: unknown, init?: object) => Promise<unknown>;
  const withAgent: typeof fetch = (url, init) => fetch(url, { ...init, agent });
  auth.fetch = withAgent as typeof auth.fetch;
  return { publisher, agent };
}

async function send(
  publisher: PubSubClient["publisher"],
  request: NotifierRequest<PubSubSettings>,
  signal: AbortSignal,
  source: string | undefined,
): Promise<CloudReceipt> {
  const { delivery, subscription, settings } = request;
  const { contentType, attributes, body } = cloudMessage(request, {
    mode: settings.mode,
    prefix: "ce-",
    source,
  });
  const { orderingKey } = delivery;
  if (orderingKey !== null && Buffer.byteLength(orderingKey) > MOST_KEY_BYTES) {
    const message = `The ordering key has more than ${MOST_KEY_BYTES} bytes`;
    throw new CloudFault("rejected", message, { retryable: false });
  }
  const message = {
    data: body,
    attributes: { ...attributes, "content-type": contentType, deliveryid: delivery.id },
    ...(orderingKey !== null && { orderingKey }),
  };
  const call = publisher.publish(
    { topic: subscription.destination, messages: [message] },
    // Each attempt is in the log, and what is wrong with one message is no fault of others.
    { timeout: settings.timeoutMs, maxRetries: 0, retry: { retryCodes: [] }, isBundling: false },
  );
  const cancel = (): void => (call as unknown as { cancel?(): void }).cancel?.();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const [{ messageIds }] = await call;
    const [messageId] = messageIds ?? [];
    if (messageId) return { response: messageId };
    const text = "Pub/Sub does not say that it has the message";
    throw new CloudFault("protocol_error", text, { retryable: true });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** The code of the library when it does not wait any longer. */
const DEADLINE_EXCEEDED = 4;
const SIZE = /payload size|too large/i;

function pubSubFault(error: unknown): CloudFault | undefined {
  const { code, status, message } = (error ?? {}) as {
    readonly code?: unknown;
    readonly status?: unknown;
    readonly message?: string;
  };
  if (code === DEADLINE_EXCEEDED) {
    return new CloudFault("timeout", "Pub/Sub took too long", { retryable: true }, error);
  }
  const answered = Number(status ?? code);
  if (answered >= 300 && answered < 600) {
    const isTooLarge = answered === 400 && SIZE.test(message ?? "");
    const [errorClass, retryable] = classOfStatus(isTooLarge ? 413 : answered);
    const answer = { retryable, status: answered, response: message };
    return new CloudFault(errorClass, `Pub/Sub answered ${answered}`, answer, error);
  }
  if (/private key|PEM|DECODER|credentials/i.test(message ?? "")) {
    const text = "The key of the service account cannot be used";
    return new CloudFault("authentication", text, { retryable: false }, error);
  }
  return undefined;
}
