import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type {
  ErrorClass,
  Notifier,
  NotifierRequest,
  SettingsSchema,
} from "../contract/notifier.ts";
import { faultOf } from "../http/fault-of.ts";
import { cloudMessage, type CloudMode } from "./cloud/cloud-body.ts";
import { CloudFault } from "./cloud/cloud-fault.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { mode, timeoutMs } from "./cloud/settings.ts";

/** What a subscription of the notifier `kafka` says besides its destination. */
export interface KafkaSettings {
  /** How the CloudEvent is written. */
  readonly mode: CloudMode;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

/** A record for Kafka. */
export interface KafkaRecord {
  /** The destination of the subscription. */
  readonly topic: string;
  /** Decides about the partition. The ordering key of the delivery. */
  readonly key: string | undefined;
  /** The payload, or the whole CloudEvent. */
  readonly value: Buffer;
  /** The attributes of the CloudEvent, `content-type` and `deliveryid`. */
  readonly headers: Readonly<Record<string, string>>;
  /** When the event was emitted. */
  readonly timestamp: Date;
}

/** What the notifier needs of a library for Kafka. */
export interface KafkaProducer {
  /**
   * Sends one record, and resolves when all replicas in sync have it. It does not retry: each attempt is in the log.
   *
   * @param options `timeoutMs` is the time that the attempt has.
   */
  send(record: KafkaRecord, options: { readonly timeoutMs: number }): Promise<void>;
  /** Closes all connections, also while a record is sent. */
  close(): Promise<void>;
}

/** Who we are for the brokers. */
export interface KafkaSasl {
  /** How the password is shown to the brokers. `PLAIN` needs TLS. */
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  /** The user of the cluster. */
  readonly username: string;
  /** The password of the user. */
  readonly password: string;
}

/** Options of {@link kafkaNotifier}. */
export interface KafkaNotifierOptions {
  /** The brokers to begin with, such as `["kafka-1:9092"]`. They say which others there are. */
  readonly brokers: readonly string[];
  /**
   * What subscriptions call the notifier. A second cluster needs a notifier of another name.
   *
   * @default "kafka"
   */
  readonly name?: string | undefined;
  /**
   * User and password.
   *
   * @default none
   */
  readonly sasl?: KafkaSasl | undefined;
  /**
   * Whether connections use TLS, or the certificates for it, as PEM.
   *
   * @default false
   */
  readonly tls?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /**
   * The `source` of CloudEvents.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
  /**
   * Makes a producer of another library.
   *
   * @default one of `@platformatic/kafka`
   */
  readonly connect?: (() => Promise<KafkaProducer>) | undefined;
}

const TOPIC = /^(?!\.{1,2}$)[\w.-]{1,249}$/;

const settings: SettingsSchema<KafkaSettings> = z.strictObject({ mode, timeoutMs });

/**
 * Sends deliveries to topics of Apache Kafka as CloudEvents. A destination is the name of a topic. The application says
 * which cluster it is and who sends, so whoever may subscribe can send to every topic that this user may write to.
 *
 * The library `@platformatic/kafka` is loaded at the first delivery. The ordering key is the key of the record.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { kafkaNotifier } from "@busbar/webhooks/notifiers/kafka";
 *
 * const hooks = webhooks({ events, notifiers: [kafkaNotifier({ brokers: ["kafka-1:9092"] })] });
 * ```
 */
export function kafkaNotifier(options: KafkaNotifierOptions): Notifier<KafkaSettings> {
  assertOptions(
    "kafkaNotifier()",
    options,
    {
      brokers: checks.texts,
      name: checks.text,
      sasl: checks.object,
      tls: (value) => (typeof value === "boolean" ? undefined : checks.object(value)),
      source: checks.text,
      connect: checks.function,
    },
    { brokers: 'such as ["kafka-1:9092"]' },
  );
  const { name = "kafka", connect = () => platformaticProducer(options), source } = options;
  return cloudNotifier<KafkaSettings, KafkaProducer>({
    name,
    title: "Apache Kafka",
    settings,
    checkDestination: (destination) =>
      TOPIC.test(destination) ? undefined : "be the name of a topic",
    partsOf: () => [],
    open: connect,
    send: (producer, request) => send(producer, request, source),
    close: (producer) => producer.close(),
    faultOf: kafkaFault,
    secretsOf: () => [options.sasl?.password],
  });
}

async function send(
  producer: KafkaProducer,
  request: NotifierRequest<KafkaSettings>,
  source: string | undefined,
): Promise<CloudReceipt> {
  const { delivery, event, subscription, settings: its } = request;
  const message = cloudMessage(request, { mode: its.mode, prefix: "ce_", source });
  await producer.send(
    {
      topic: subscription.destination,
      key: delivery.orderingKey ?? undefined,
      value: message.body,
      headers: {
        ...message.attributes,
        "content-type": message.contentType,
        deliveryid: delivery.id,
      },
      timestamp: event.occurredAt,
    },
    { timeoutMs: its.timeoutMs },
  );
  return {};
}

async function platformaticProducer({
  brokers,
  sasl,
  tls = false,
}: KafkaNotifierOptions): Promise<KafkaProducer> {
  const { Producer } = await optionalLibrary(
    "@platformatic/kafka",
    () => import("@platformatic/kafka"),
  );
  const producer = new Producer({
    clientId: "busbar-webhooks",
    bootstrapBrokers: [...brokers],
    retries: 0,
    connectTimeout: 5_000,
    autocreateTopics: false,
    ...(sasl && { sasl: { ...sasl } }),
    ...(tls !== false && { tls: tls === true ? {} : { ...tls } }),
  });
  return {
    async send({ topic, key, value, headers, timestamp }) {
      const record = {
        topic,
        value,
        timestamp: BigInt(timestamp.getTime()),
        headers: new Map(
          Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
        ),
        ...(key !== undefined && { key: Buffer.from(key) }),
      };
      // -1: all replicas in sync have it.
      await producer.send({ messages: [record], acks: -1 });
    },
    close: () =>
      new Promise((resolve, reject) => {
        producer.close(true, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

/** What codes of Kafka mean, where they say more than whether it is worth another attempt. */
const MEANINGS: ReadonlyMap<string, readonly [ErrorClass, retryable: boolean]> = new Map([
  ["MESSAGE_TOO_LARGE", ["payload_too_large", false]],
  ["RECORD_LIST_TOO_LARGE", ["payload_too_large", false]],
  ["TOPIC_AUTHORIZATION_FAILED", ["authentication", false]],
  ["CLUSTER_AUTHORIZATION_FAILED", ["authentication", false]],
  ["SASL_AUTHENTICATION_FAILED", ["authentication", false]],
  ["ILLEGAL_SASL_STATE", ["authentication", false]],
  ["UNSUPPORTED_SASL_MECHANISM", ["authentication", false]],
  ["THROTTLING_QUOTA_EXCEEDED", ["throttled", true]],
  ["REQUEST_TIMED_OUT", ["timeout", true]],
  // A topic may be there a moment later, and brokers do not all know at once.
  ["UNKNOWN_TOPIC_OR_PARTITION", ["rejected", true]],
]);

/** An error of a library, with the names under which libraries say what it is. */
interface KafkaError {
  readonly name?: string;
  readonly code?: unknown;
  readonly message?: string;
  /** Of @platformatic/kafka. */
  readonly apiId?: string;
  readonly canRetry?: boolean;
  /** Of KafkaJS, and of the library of Confluent. */
  readonly type?: string;
  readonly retriable?: boolean;
  readonly errors?: readonly unknown[];
  readonly cause?: unknown;
}

function kafkaFault(error: unknown): CloudFault | undefined {
  const all = allOf(error);
  for (const { apiId, type, canRetry, retriable } of all) {
    const code = apiId ?? type;
    if (code === undefined) continue;
    const [errorClass, retryable] = MEANINGS.get(code) ?? [
      "rejected",
      canRetry ?? retriable ?? true,
    ];
    return new CloudFault(errorClass, `Kafka answered ${code}`, { retryable }, error);
  }
  if (all.some(({ name, code }) => code === "PLT_KFK_AUTHENTICATION" || /SASL/.test(name ?? ""))) {
    const text = "The brokers refused the user";
    return new CloudFault("authentication", text, { retryable: false }, error);
  }
  for (const inner of all) {
    const { errorClass, message } = faultOf(inner);
    if (errorClass !== "unknown") {
      return new CloudFault(errorClass, message, { retryable: true }, error);
    }
  }
  if (all.some(({ code }) => code === "PLT_KFK_TIMEOUT")) {
    return new CloudFault("timeout", "The brokers took too long", { retryable: true }, error);
  }
  if (all.some(({ code }) => code === "PLT_KFK_NETWORK")) {
    const text = "The connection to the brokers failed";
    return new CloudFault("connection_reset", text, { retryable: true }, error);
  }
  return undefined;
}

/** An error, those that it is made of, and their causes. */
function allOf(error: unknown, depth = 0): readonly KafkaError[] {
  if (typeof error !== "object" || error === null || depth > 5) return [];
  const { errors = [], cause } = error as KafkaError;
  return [error, ...[...errors, cause].flatMap((inner) => allOf(inner, depth + 1))];
}
