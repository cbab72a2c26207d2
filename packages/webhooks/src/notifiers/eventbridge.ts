import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier, NotifierRequest, SettingsSchema } from "../contract/notifier.ts";
import { toCloudEvent } from "../signing/cloud-event.ts";
import {
  awsClientOptions,
  awsCodeFault,
  awsCredentials,
  awsFault,
  type AwsOptions,
  awsSecrets,
  type AwsSettings,
  credentialsCheck,
  region,
} from "./cloud/aws.ts";
import { CloudFault } from "./cloud/cloud-fault.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { timeoutMs } from "./cloud/settings.ts";

export type { AwsCredentials } from "./cloud/aws.ts";

/** What a subscription of the notifier `eventbridge` says besides its destination. */
export interface EventBridgeSettings extends AwsSettings {
  /** The `Source` of entries, which rules match. */
  readonly source: string;
}

/** Options of {@link eventBridgeNotifier}. */
export interface EventBridgeNotifierOptions extends AwsOptions {
  /**
   * Where EventBridge is, such as `http://localhost:4566` of an emulator.
   *
   * @default that of Amazon, in the region
   */
  readonly endpoint?: string | undefined;
  /**
   * The `Source` of entries of subscriptions that name none.
   *
   * @default "busbar"
   */
  readonly source?: string | undefined;
}

const ARN = /^arn:aws[a-z-]*:events:([a-z\d-]+):\d{12}:event-bus\/[\w./-]{1,256}$/;
const BUS = /^[\w./-]{1,256}$/;

/**
 * Puts deliveries on event buses of Amazon EventBridge. A destination is the ARN of an event bus, or its name.
 *
 * The library `@aws-sdk/client-eventbridge` is loaded at the first delivery. The `Detail` of an entry is a CloudEvent,
 * and its `DetailType` is the name of the event.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { eventBridgeNotifier } from "@busbar/webhooks/notifiers/eventbridge";
 *
 * const hooks = webhooks({ events, notifiers: [eventBridgeNotifier({ source: "shop.example" })] });
 * ```
 */
export function eventBridgeNotifier(
  options: EventBridgeNotifierOptions = {},
): Notifier<EventBridgeSettings> {
  assertOptions("eventBridgeNotifier()", options, {
    credentials: credentialsCheck,
    region: checks.text,
    endpoint: checks.text,
    source: checks.text,
  });
  const settings: SettingsSchema<EventBridgeSettings> = z.strictObject({
    region,
    credentials: awsCredentials(options.credentials === undefined),
    source: z
      .string()
      .min(1)
      .max(256)
      .refine((source) => !source.startsWith("aws."), { error: "must not begin with aws." })
      .default(options.source ?? "busbar")
      .meta({ title: "Source", description: "The source of the entries, which rules match" }),
    timeoutMs,
  });
  const regionOf = (destination: string, its: EventBridgeSettings): string | undefined =>
    ARN.exec(destination)?.[1] ?? its.region ?? options.region;
  return cloudNotifier<EventBridgeSettings, EventBridgeClient>({
    name: "eventbridge",
    title: "Amazon EventBridge",
    settings,
    checkDestination(destination, its) {
      if (!ARN.test(destination) && !BUS.test(destination)) {
        return "be the ARN or the name of an event bus";
      }
      return regionOf(destination, its) === undefined
        ? "be the ARN of an event bus, or the settings must name a region"
        : undefined;
    },
    partsOf: ({ settings: its, subscription: { destination } }) => [
      regionOf(destination, its),
      its.credentials,
    ],
    async open({ settings: its, subscription: { destination } }) {
      const { EventBridgeClient } = await optionalLibrary(
        "@aws-sdk/client-eventbridge",
        () => import("@aws-sdk/client-eventbridge"),
      );
      const { endpoint } = options;
      return new EventBridgeClient({
        ...awsClientOptions(its, options, regionOf(destination, its) ?? ""),
        ...(endpoint !== undefined && { endpoint }),
      });
    },
    send,
    close: (client) => client.destroy(),
    faultOf: (error) => awsFault("EventBridge", error),
    secretsOf: awsSecrets,
  });
}

async function send(
  client: EventBridgeClient,
  request: NotifierRequest<EventBridgeSettings>,
  signal: AbortSignal,
): Promise<CloudReceipt> {
  const { PutEventsCommand } = await import("@aws-sdk/client-eventbridge");
  const { event, subscription, settings } = request;
  const answer = await client.send(
    new PutEventsCommand({
      Entries: [
        {
          EventBusName: subscription.destination,
          Source: settings.source,
          DetailType: event.name,
          Detail: JSON.stringify(toCloudEvent(request, { source: settings.source })),
          Time: event.occurredAt,
        },
      ],
    }),
    { abortSignal: signal },
  );
  const status = answer.$metadata.httpStatusCode;
  const [entry] = answer.Entries ?? [];
  if (entry?.ErrorCode !== undefined) {
    throw awsCodeFault("EventBridge", {
      code: entry.ErrorCode,
      message: entry.ErrorMessage,
      status,
    });
  }
  // A status of 200 says nothing about the entry.
  if (entry?.EventId === undefined || (answer.FailedEntryCount ?? 0) > 0) {
    throw new CloudFault("protocol_error", "EventBridge does not say that it has the event", {
      retryable: true,
      status,
    });
  }
  return { status, response: entry.EventId };
}
