import { setImmediate as nextTurn } from "node:timers/promises";
import { assertOptions, checks } from "@busbar/core/provider";
import type { Connection, ConnectionOptions, Publisher, ReturnedMessage } from "rabbitmq-client";
import { z } from "zod";
import type {
  ErrorClass,
  Notifier,
  NotifierRequest,
  SettingsSchema,
} from "../contract/notifier.ts";
import { type AddressGuardOptions, AddressGuard } from "../http/guard.ts";
import type { HttpFault } from "../http/http-fault.ts";
import { networkChecks } from "../http/network-options.ts";
import { tlsSettings } from "../http/tls-settings.ts";
import type { ClientTls } from "../http/connector.ts";
import { cloudMessage, type CloudMode } from "./cloud/cloud-body.ts";
import { CloudFault } from "./cloud/cloud-fault.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { mode, secret, timeoutMs } from "./cloud/settings.ts";

/** What a subscription of the notifier `amqp` says besides its destination. */
export interface AmqpSettings {
  /** The user of the broker. */
  readonly username: string;
  /** The password of the user. Secret. */
  readonly password: string;
  /** The exchange that messages are published to. The default exchange has no name. */
  readonly exchange: string;
  /** The routing key. The name of the event by default. */
  readonly routingKey?: string | undefined;
  /** Whether a message must reach a queue. Otherwise the broker may drop the message. */
  readonly mandatory: boolean;
  /** How the CloudEvent is written. */
  readonly mode: CloudMode;
  /** Our certificate, and whom to trust, for `amqps:` destinations. */
  readonly tls?: ClientTls | undefined;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

/** Options of {@link amqpNotifier}. */
export interface AmqpNotifierOptions extends AddressGuardOptions {
  /**
   * Whether destinations may have `amqp:` URLs, so that anybody on the way reads the password and what is delivered.
   *
   * @default true unless `NODE_ENV` is "production"
   */
  readonly allowAmqp?: boolean | undefined;
  /**
   * Milliseconds for a connection: TCP, TLS and the handshake together.
   *
   * @default 5_000
   */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * The `source` of CloudEvents.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

/** A connection to a broker, and a channel for each exchange: an error of one ends its channel. */
interface AmqpClient {
  readonly connection: Connection;
  readonly channels: Map<string, AmqpChannel>;
}

interface AmqpChannel {
  readonly publisher: Publisher;
  /** Why the broker has returned messages, by their ids. */
  readonly returned: Map<string, string>;
}

const DESTINATION = /^amqps?:\/\/[^/?#@\s]+(?:\/[^/?#\s]*)?$/;
/** AMQP writes names in 255 bytes at most. */
const shortName = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= 255 && text.isWellFormed(), {
    error: "must have 255 bytes at most",
  });

const settings: SettingsSchema<AmqpSettings> = z.strictObject({
  username: shortName.min(1).meta({ title: "User name" }),
  password: secret("Password", 1_024),
  exchange: shortName
    .default("")
    .meta({ title: "Exchange", description: "The default exchange by default" }),
  routingKey: shortName
    .optional()
    .meta({ title: "Routing key", description: "The name of the event by default" }),
  mandatory: z.boolean().default(true).meta({
    title: "Mandatory",
    description: "Whether a message that reaches no queue counts as a failure",
  }),
  mode,
  tls: tlsSettings.optional().meta({ title: "TLS" }),
  timeoutMs,
});

/**
 * Publishes deliveries to an exchange of an AMQP 0.9.1 broker such as RabbitMQ, as CloudEvents. A destination is
 * `amqps://host:port/vhost`.
 *
 * The library `rabbitmq-client` is loaded at the first delivery. A delivery counts as accepted when the broker has
 * confirmed it. Messages are persistent, and the id of the delivery is their `message-id`. Connections to private and
 * reserved addresses are refused, as those of the notifier `http` are: a broker of your own network needs `allow`.
 *
 * @throws TypeError when an option is not what it can be. RangeError when `allow` or `deny` has what is no range.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { amqpNotifier } from "@busbar/webhooks/notifiers/amqp";
 *
 * const hooks = webhooks({ events, notifiers: [amqpNotifier({ allow: ["10.1.0.0/16"] })] });
 * ```
 */
export function amqpNotifier(options: AmqpNotifierOptions = {}): Notifier<AmqpSettings> {
  const { allow, deny, lookup, connectTimeoutMs: connect } = networkChecks;
  assertOptions("amqpNotifier()", options, {
    allow,
    deny,
    lookup,
    allowAmqp: checks.boolean,
    connectTimeoutMs: connect,
    source: checks.text,
  });
  const { allowAmqp = process.env["NODE_ENV"] !== "production", connectTimeoutMs = 5_000 } =
    options;
  const guard = new AddressGuard(options);
  return cloudNotifier<AmqpSettings, AmqpClient>({
    name: "amqp",
    title: "AMQP",
    settings,
    checkDestination: (destination) => problemOf(destination, guard, allowAmqp),
    partsOf: ({ subscription: { destination }, settings: its }) => [
      destination,
      its.username,
      its.password,
      its.tls,
    ],
    open: (request) => open(request, guard, connectTimeoutMs),
    send: (client, request) => send(client, request, options.source),
    close: async ({ connection, channels }) => {
      for (const { publisher } of channels.values()) await publisher.close().catch(() => {});
      await connection.close();
    },
    faultOf: amqpFault,
    secretsOf: ({ password, tls }) => [password, tls?.key],
  });
}

function problemOf(
  destination: string,
  guard: AddressGuard,
  allowAmqp: boolean,
): string | undefined {
  const form = `be a URL such as amqps://${allowAmqp ? "host/vhost, or amqp://host" : "host"}/vhost`;
  const url = URL.canParse(destination) ? new URL(destination) : undefined;
  if (!url || destination.length > 2_048 || !DESTINATION.test(destination)) return form;
  if (url.protocol !== "amqps:" && !(allowAmqp && url.protocol === "amqp:")) return form;
  try {
    vhostOf(url);
    guard.assertHost(hostOf(url));
  } catch {
    return "have an address that deliveries may go to, or a name";
  }
  return undefined;
}

async function open(
  { subscription, settings: { username, password, tls } }: NotifierRequest<AmqpSettings>,
  guard: AddressGuard,
  connectTimeoutMs: number,
): Promise<AmqpClient> {
  const { Connection } = await optionalLibrary("rabbitmq-client", () => import("rabbitmq-client"));
  const url = new URL(subscription.destination);
  const isSecure = url.protocol === "amqps:";
  const connection = new Connection({
    hostname: hostOf(url),
    port: url.port === "" ? (isSecure ? 5_671 : 5_672) : Number(url.port),
    vhost: vhostOf(url),
    username,
    password,
    connectionName: "busbar-webhooks",
    connectionTimeout: connectTimeoutMs,
    acquireTimeout: connectTimeoutMs,
    tls: isSecure && { ...tls },
    // Only open addresses are found, so that a name cannot lead inside.
    socket: { lookup: guard.socketLookup } as NonNullable<ConnectionOptions["socket"]>,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once("connection", resolve).once("error", reject);
    });
  } catch (error) {
    // It would go on connecting.
    connection.unsafeDestroy();
    throw error;
  }
  // It connects again by itself; meanwhile, each message says what is wrong.
  connection.on("error", () => {});
  return { connection, channels: new Map() };
}

async function send(
  client: AmqpClient,
  request: NotifierRequest<AmqpSettings>,
  source: string | undefined,
): Promise<CloudReceipt> {
  const { delivery, event, settings: its } = request;
  const { contentType, attributes, body } = cloudMessage(request, {
    mode: its.mode,
    prefix: "cloudEvents_",
    source,
  });
  const { publisher, returned } = channelOf(client, its.exchange);
  const routingKey = its.routingKey ?? event.name;
  returned.delete(delivery.id);
  await publisher.send(
    {
      exchange: its.exchange,
      routingKey,
      mandatory: its.mandatory,
      durable: true,
      messageId: delivery.id,
      contentType,
      timestamp: Math.floor(event.occurredAt.getTime() / 1_000),
      headers: { ...attributes },
    },
    body,
  );
  // A message that nobody gets comes back before it is confirmed; the library tells it in a later turn of the loop.
  if (its.mandatory) await nextTurn();
  const reason = returned.get(delivery.id);
  returned.delete(delivery.id);
  if (reason !== undefined) {
    const message = "The message reached no queue: nothing is bound to the exchange with its key";
    throw new CloudFault("rejected", message, { retryable: true, response: reason });
  }
  return {};
}

function channelOf({ connection, channels }: AmqpClient, exchange: string): AmqpChannel {
  const kept = channels.get(exchange);
  if (kept) return kept;
  const returned = new Map<string, string>();
  const publisher = connection.createPublisher({ confirm: true });
  publisher.on("basic.return", ({ messageId, replyText }: ReturnedMessage) => {
    if (messageId !== undefined) returned.set(messageId, replyText);
  });
  const channel = { publisher, returned };
  channels.set(exchange, channel);
  return channel;
}

/** What codes of the broker and of the library mean. */
const MEANINGS: ReadonlyMap<string, readonly [ErrorClass, retryable: boolean, string]> = new Map([
  ["ACCESS_REFUSED", ["authentication", false, "The broker refused the user or the access"]],
  ["NOT_ALLOWED", ["authentication", false, "The broker refused the user or the access"]],
  ["NOT_FOUND", ["rejected", true, "The broker has no such exchange"]],
  ["PRECONDITION_FAILED", ["payload_too_large", false, "The broker refused the message"]],
  ["CONTENT_TOO_LARGE", ["payload_too_large", false, "The message is too large for the broker"]],
  ["RESOURCE_ERROR", ["throttled", true, "The broker has not enough resources"]],
  ["NACK", ["rejected", true, "The broker did not take the message"]],
  ["TIMEOUT", ["timeout", true, "The broker took too long"]],
  ["CONNECTION_TIMEOUT", ["connect_timeout", true, "The connection took too long"]],
  ["SOCKET_TIMEOUT", ["connection_reset", true, "The connection broke off"]],
  ["CONNECTION_FORCED", ["connection_reset", true, "The broker closed the connection"]],
  ["CONN_CLOSE", ["connection_reset", true, "The connection was closed"]],
  ["CH_CLOSE", ["connection_reset", true, "The connection was closed"]],
  ["CLOSING", ["connection_reset", true, "The connection was closed"]],
  ["CLOSED", ["connection_reset", true, "The connection was closed"]],
  ["VERSION_MISMATCH", ["protocol_error", true, "The broker does not speak AMQP 0.9.1"]],
  ["COMMAND_INVALID", ["protocol_error", true, "The broker does not speak AMQP 0.9.1"]],
]);

function amqpFault(error: unknown): HttpFault | undefined {
  const {
    code,
    message = "",
    name = "",
  } = (error ?? {}) as {
    readonly code?: unknown;
    readonly message?: string;
    readonly name?: string;
  };
  const known = MEANINGS.get(String(code));
  if (known) {
    const [errorClass, retryable, text] = known;
    return new CloudFault(
      errorClass,
      `${text} (${String(code)})`,
      { retryable, response: message },
      error,
    );
  }
  if (!name.startsWith("AMQP")) return undefined;
  return new CloudFault(
    "protocol_error",
    `AMQP failed (${String(code)})`,
    { retryable: true, response: message },
    error,
  );
}

function hostOf({ hostname }: URL): string {
  return hostname.replaceAll(/^\[|\]$/g, "");
}

/** The virtual host of a URL: `/` without one. */
function vhostOf({ pathname }: URL): string {
  const name = decodeURIComponent(pathname.slice(1));
  return name === "" ? "/" : name;
}
