import { createHash } from "node:crypto";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier, NotifierRequest, SettingsSchema } from "../contract/notifier.ts";
import { toCloudEvent } from "../signing/cloud-event.ts";
import {
  awsClientOptions,
  awsCredentials,
  awsFault,
  type AwsOptions,
  awsSecrets,
  type AwsSettings,
  credentialsCheck,
  region,
} from "./cloud/aws.ts";
import { repeatId } from "./cloud/cloud-body.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { timeoutMs } from "./cloud/settings.ts";

export type { AwsCredentials } from "./cloud/aws.ts";

/** What a subscription of the notifier `sqs` says besides its destination. */
export type SqsSettings = AwsSettings;

/** Options of {@link sqsNotifier}. */
export interface SqsNotifierOptions extends AwsOptions {
  /**
   * Origins that queues may have besides those of Amazon, such as `http://localhost:4566` of an emulator.
   *
   * @default []
   */
  readonly endpoints?: readonly string[] | undefined;
  /**
   * The `source` of CloudEvents.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

const QUEUE =
  /^https:\/\/sqs(?:-fips)?\.([a-z\d-]+)\.amazonaws\.com(?:\.cn)?\/\d{12}\/[\w-]{1,80}(?:\.fifo)?$/;
const QUEUE_PATH = /^\/\d{12}\/[\w-]{1,80}(?:\.fifo)?$/;
/** What groups of SQS may be called. */
const GROUP = /^[\w!-/:-@[-`{-~]{1,128}$/;
/** Characters that SQS, or an emulator, takes in no message. JSON can say them otherwise. */
const NOT_IN_MESSAGES = /[\uD800-\uDFFF\uFFFE\uFFFF]/g;

/**
 * Sends deliveries to queues of Amazon SQS as CloudEvents. A destination is the URL of a queue.
 *
 * The library `@aws-sdk/client-sqs` is loaded at the first delivery. In a FIFO queue the ordering key is the group, and
 * the id of the delivery is the deduplication id.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { sqsNotifier } from "@busbar/webhooks/notifiers/sqs";
 *
 * const hooks = webhooks({ events, notifiers: [sqsNotifier()] });
 * ```
 */
export function sqsNotifier(options: SqsNotifierOptions = {}): Notifier<SqsSettings> {
  assertOptions("sqsNotifier()", options, {
    credentials: credentialsCheck,
    region: checks.text,
    endpoints: checks.texts,
    source: checks.text,
  });
  const origins = new Set(options.endpoints?.map((url) => new URL(url).origin));
  const settings: SettingsSchema<SqsSettings> = z.strictObject({
    region,
    credentials: awsCredentials(options.credentials === undefined),
    timeoutMs,
  });
  const regionOf = (destination: string, its: SqsSettings): string | undefined =>
    QUEUE.exec(destination)?.[1] ?? its.region ?? options.region;
  return cloudNotifier<SqsSettings, SQSClient>({
    name: "sqs",
    title: "Amazon SQS",
    settings,
    checkDestination(destination, its) {
      if (!QUEUE.test(destination) && !isQueueOf(origins, destination)) {
        return "be the URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
      }
      const known = regionOf(destination, its);
      return known === undefined ? "be of a region that the settings name" : undefined;
    },
    partsOf: ({ settings: its, subscription: { destination } }) => [
      regionOf(destination, its),
      new URL(destination).origin,
      its.credentials,
    ],
    async open({ settings: its, subscription: { destination } }) {
      const { SQSClient } = await optionalLibrary(
        "@aws-sdk/client-sqs",
        () => import("@aws-sdk/client-sqs"),
      );
      return new SQSClient({
        ...awsClientOptions(its, options, regionOf(destination, its) ?? ""),
        // The destination was checked. Otherwise the SDK warns where it goes to another host than it expects.
        endpoint: new URL(destination).origin,
        useQueueUrlAsEndpoint: false,
      });
    },
    send: (client, request, signal) => send(client, request, signal, options.source),
    close: (client) => client.destroy(),
    faultOf: (error) => awsFault("SQS", error),
    secretsOf: awsSecrets,
  });
}

async function send(
  client: SQSClient,
  request: NotifierRequest<SqsSettings>,
  signal: AbortSignal,
  source: string | undefined,
): Promise<CloudReceipt> {
  const { SendMessageCommand } = await import("@aws-sdk/client-sqs");
  const { delivery, event, subscription } = request;
  const isFifo = subscription.destination.endsWith(".fifo");
  const text = (value: string): { DataType: string; StringValue: string } => ({
    DataType: "String",
    StringValue: value,
  });
  const command = new SendMessageCommand({
    QueueUrl: subscription.destination,
    MessageBody: JSON.stringify(toCloudEvent(request, { source })).replaceAll(
      NOT_IN_MESSAGES,
      (character) => `\\u${character.charCodeAt(0).toString(16)}`,
    ),
    MessageAttributes: {
      "content-type": text("application/cloudevents+json"),
      deliveryid: text(delivery.id),
      type: text(event.name),
    },
    ...(isFifo && {
      MessageGroupId: groupOf(delivery.orderingKey ?? delivery.id),
      MessageDeduplicationId: repeatId(request),
    }),
  });
  const { MessageId, $metadata } = await client.send(command, { abortSignal: signal });
  return { status: $metadata.httpStatusCode, response: MessageId };
}

function isQueueOf(origins: ReadonlySet<string>, destination: string): boolean {
  if (!URL.canParse(destination)) return false;
  const url = new URL(destination);
  return origins.has(url.origin) && url.href === destination && QUEUE_PATH.test(url.pathname);
}

/** A key as the name of a group. One that is too long, or has other characters, is hashed. */
function groupOf(key: string): string {
  return GROUP.test(key) ? key : createHash("sha256").update(key).digest("hex");
}
