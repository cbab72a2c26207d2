import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { EventGridPublisherClient } from "@azure/eventgrid";
import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier, NotifierRequest, SettingsSchema } from "../contract/notifier.ts";
import { Authorizer, type OAuth2Settings } from "../http/auth.ts";
import { HttpClient } from "../http/client.ts";
import { AddressGuard } from "../http/guard.ts";
import { parseRetryAfter } from "../http/retry-after.ts";
import { toCloudEvent } from "../signing/cloud-event.ts";
import { classOfStatus, CloudFault } from "./cloud/cloud-fault.ts";
import { cloudNotifier, type CloudReceipt } from "./cloud/cloud-notifier.ts";
import { optionalLibrary } from "./cloud/optional-library.ts";
import { secret, timeoutMs, word } from "./cloud/settings.ts";
import { isJsonObject } from "../contract/json-object.ts";

/** How a subscription of the notifier `eventgrid` says who sends. */
export type EventGridAuth =
  | { readonly type: "key"; readonly key: string }
  | {
      readonly type: "entra";
      readonly tenantId: string;
      readonly clientId: string;
      readonly clientSecret: string;
    };

/** What a subscription of the notifier `eventgrid` says besides its destination. */
export interface EventGridSettings {
  /** An access key of the topic, or an application of Microsoft Entra. */
  readonly auth: EventGridAuth;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
}

/** Options of {@link eventGridNotifier}. */
export interface EventGridNotifierOptions {
  /**
   * Origins that topics may have besides those of Azure, such as `http://localhost:60888` of an emulator.
   *
   * @default []
   */
  readonly endpoints?: readonly string[] | undefined;
  /**
   * Certificates as PEM that topics must have been signed with, such as that of an emulator.
   *
   * @default the well-known ones
   */
  readonly ca?: string | undefined;
  /**
   * Where Microsoft Entra gives tokens.
   *
   * @default "https://login.microsoftonline.com"
   */
  readonly authority?: string | undefined;
  /**
   * The `source` of CloudEvents.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

/** A client, and the connections that it has. */
interface EventGridClient {
  readonly publisher: EventGridPublisherClient<"CloudEvent">;
  readonly agent: HttpAgent;
}

const TOPIC =
  /^https:\/\/[a-z\d-]+(?:\.[a-z\d-]+)?\.eventgrid\.azure\.(?:net|us|cn)\/api\/events$/i;
const SCOPE = "https://eventgrid.azure.net/.default";

const settings: SettingsSchema<EventGridSettings> = z.strictObject({
  auth: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("key"), key: secret("Access key of the topic") }),
      z.strictObject({
        type: z.literal("entra"),
        tenantId: z.string().regex(/^[\w.-]{1,128}$/, { error: "must be the id of a tenant" }),
        clientId: word,
        clientSecret: secret("Client secret"),
      }),
    ])
    .meta({ title: "Authentication" }),
  timeoutMs,
});

/**
 * Publishes deliveries to topics of Azure Event Grid as CloudEvents. A destination is the endpoint of a topic.
 *
 * The library `@azure/eventgrid` is loaded at the first delivery. Tokens of Microsoft Entra are kept until shortly before
 * they expire.
 *
 * @throws TypeError when an option is not what it can be.
 *
 * @example
 * ```ts
 * import { webhooks } from "@busbar/webhooks";
 * import { eventGridNotifier } from "@busbar/webhooks/notifiers/eventgrid";
 *
 * const hooks = webhooks({ events, notifiers: [eventGridNotifier()] });
 * ```
 */
export function eventGridNotifier(
  options: EventGridNotifierOptions = {},
): Notifier<EventGridSettings> {
  assertOptions("eventGridNotifier()", options, {
    endpoints: checks.texts,
    ca: checks.text,
    authority: checks.text,
    source: checks.text,
  });
  const { authority = "https://login.microsoftonline.com", ca, source } = options;
  const origins = new Set(options.endpoints?.map((url) => new URL(url).origin));
  // The application says where tokens are from: no address is closed.
  const http = new HttpClient({ guard: new AddressGuard({ allow: ["0.0.0.0/0", "::/0"] }) });
  const authorizer = new Authorizer(http);
  return cloudNotifier<EventGridSettings, EventGridClient>({
    name: "eventgrid",
    title: "Azure Event Grid",
    settings,
    checkDestination: (destination) =>
      TOPIC.test(destination) || isTopicOf(origins, destination)
        ? undefined
        : "be the endpoint of a topic, such as https://orders.westeurope-1.eventgrid.azure.net/api/events",
    partsOf: ({ subscription: { destination }, settings: { auth } }) => [destination, auth],
    async open({ subscription: { destination }, settings: { auth } }) {
      const { AzureKeyCredential, EventGridPublisherClient } = await optionalLibrary(
        "@azure/eventgrid",
        () => import("@azure/eventgrid"),
      );
      const isSecure = destination.startsWith("https:");
      const agent = isSecure
        ? new HttpsAgent({ keepAlive: true, ...(ca !== undefined && { ca }) })
        : new HttpAgent({ keepAlive: true });
      const credential =
        auth.type === "key"
          ? new AzureKeyCredential(auth.key)
          : tokensOf(auth, authority, authorizer);
      const publisher = new EventGridPublisherClient(destination, "CloudEvent", credential, {
        // Each attempt is in the log.
        retryOptions: { maxRetries: 0 },
        // A redirect could lead anywhere.
        redirectOptions: { maxRetries: 0 },
        allowInsecureConnection: !isSecure,
        additionalPolicies: [
          {
            position: "perCall",
            policy: {
              name: "busbarAgent",
              sendRequest(outgoing, next) {
                outgoing.agent = agent;
                return next(outgoing);
              },
            },
          },
        ],
      });
      return { publisher, agent };
    },
    send: ({ publisher }, request, signal) => send(publisher, request, signal, source),
    close: ({ agent }) => agent.destroy(),
    faultOf: eventGridFault,
    secretsOf: ({ auth }) => [auth.type === "key" ? auth.key : auth.clientSecret],
    end: () => http.close(),
  });
}

function isTopicOf(origins: ReadonlySet<string>, destination: string): boolean {
  if (!URL.canParse(destination)) return false;
  const { origin, href, search, hash } = new URL(destination);
  return origins.has(origin) && href === destination && search === "" && hash === "";
}

/** Tokens of an application, as the client asks for them. */
function tokensOf(
  { tenantId, clientId, clientSecret }: EventGridAuth & { readonly type: "entra" },
  authority: string,
  authorizer: Authorizer,
): { getToken(): Promise<{ token: string; expiresOnTimestamp: number }> } {
  const auth: OAuth2Settings = {
    type: "oauth2",
    tokenUrl: `${authority.replace(/\/$/, "")}/${tenantId}/oauth2/v2.0/token`,
    clientId,
    clientSecret,
    scope: SCOPE,
    credentialsIn: "body",
  };
  const { signal } = new AbortController();
  return {
    async getToken() {
      const value = await authorizer.valueFor(auth, { timeoutMs: 30_000, signal });
      // The authorizer keeps it, and knows when it expires: the client asks each time.
      return { token: value.slice("Bearer ".length), expiresOnTimestamp: 0 };
    },
  };
}

async function send(
  publisher: EventGridPublisherClient<"CloudEvent">,
  request: NotifierRequest<EventGridSettings>,
  signal: AbortSignal,
  source: string | undefined,
): Promise<CloudReceipt> {
  const { specversion: _, time, id, type, data, ...rest } = toCloudEvent(request, { source });
  const { source: from, datacontenttype, ...extensionAttributes } = rest;
  let status: number | undefined;
  const event = { id, type, source: from, time: new Date(time), datacontenttype };
  const onResponse = (answer: { readonly status: number }): void => {
    status = answer.status;
  };
  await publisher.send(
    [{ ...event, extensionAttributes, data: isJsonObject(data) ? data : jsonOf(data) }],
    { abortSignal: signal, onResponse },
  );
  return { status };
}

/** What is no object, the client makes an object of. As bytes it is sent as it is. */
function jsonOf(data: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(data));
}

function eventGridFault(error: unknown, { now }: NotifierRequest): CloudFault | undefined {
  const { statusCode, message, response } = (error ?? {}) as {
    readonly statusCode?: number;
    readonly message?: string;
    readonly response?: {
      readonly headers?: { get(name: string): string | undefined };
      readonly bodyAsText?: string | null;
    };
  };
  if (statusCode === undefined) return undefined;
  const [errorClass, retryable] = classOfStatus(statusCode);
  const headers = response?.headers;
  const retryAfterMs = parseRetryAfter(headers?.get("retry-after"), headers?.get("date"), now);
  const answer = { retryable, status: statusCode, retryAfterMs };
  const said = response?.bodyAsText ?? message;
  return new CloudFault(
    errorClass,
    `Event Grid answered ${statusCode}`,
    { ...answer, response: said },
    error,
  );
}
