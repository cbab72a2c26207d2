import { type Check, checks } from "@busbar/core/provider";
import { z } from "zod";
import { classOfStatus, CloudFault } from "./cloud-fault.ts";
import { secret, word } from "./settings.ts";

/** An access key of AWS. */
export interface AwsCredentials {
  /** The id of the key, which is not secret. */
  readonly accessKeyId: string;
  /** The key itself. Secret. */
  readonly secretAccessKey: string;
  /** For keys that are valid for a while only. */
  readonly sessionToken?: string | undefined;
}

/** Options of the notifiers for AWS. */
export interface AwsOptions {
  /**
   * What signs the requests of subscriptions that have no access key of their own: an access key of the application, or
   * `"default"` for what the AWS SDK finds in the environment, a profile or a role. Whoever may subscribe can then send
   * to everything that this identity may send to, so restrict it.
   *
   * @default none: each subscription must have an access key
   */
  readonly credentials?: "default" | AwsCredentials | undefined;
  /**
   * The region of subscriptions that name none.
   *
   * @default none
   */
  readonly region?: string | undefined;
}

/** Settings of the notifiers for AWS. */
export interface AwsSettings {
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
  /** Such as `eu-central-1`. The region of the destination by default. */
  readonly region?: string | undefined;
  /** The access key that signs. The application's by default. Secret. */
  readonly credentials?: AwsCredentials | undefined;
}

/** Checks the option `credentials`. */
export const credentialsCheck: Check = (value) =>
  value === "default" ? undefined : checks.object(value) && 'must be "default" or an access key';

const REGION = /^[a-z]{2}(-[a-z]+)+-\d+$/;

/** The setting `region`. */
export const region: z.ZodOptional<z.ZodString> = z
  .string()
  .regex(REGION, { error: "must be a region of AWS such as eu-central-1" })
  .optional()
  .meta({
    title: "Region",
    description: "Such as eu-central-1. That of the destination by default",
  });

/** The setting `credentials`: needed unless the application has some. */
export function awsCredentials(
  isNeeded: boolean,
): z.ZodType<AwsCredentials | undefined, AwsCredentials | undefined> {
  const form = z
    .strictObject({
      accessKeyId: word.meta({ title: "Id of the access key" }),
      secretAccessKey: secret("Access key"),
      sessionToken: secret("Session token", 8_192).optional(),
    })
    .meta({ title: "Access key" });
  return isNeeded ? form : form.optional();
}

/** What every client of the AWS SDK is made with: no retries of its own, as each attempt is in the log. */
export function awsClientOptions(
  settings: AwsSettings,
  options: AwsOptions,
  region: string,
): {
  readonly region: string;
  readonly maxAttempts: number;
  readonly requestHandler: { readonly connectionTimeout: number };
  readonly credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
} {
  const own = settings.credentials ?? options.credentials;
  const common = { region, maxAttempts: 1, requestHandler: { connectionTimeout: 5_000 } };
  if (own === undefined || own === "default") return common;
  const { accessKeyId, secretAccessKey, sessionToken } = own;
  const credentials = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
  };
  return { ...common, credentials };
}

/** Texts within the settings that are secret. */
export function awsSecrets({ credentials }: AwsSettings): readonly (string | undefined)[] {
  return [credentials?.secretAccessKey, credentials?.sessionToken];
}

const THROTTLED =
  /^(Throttl|RequestThrottled|TooManyRequests|KmsThrottled|SlowDown|RequestLimitExceeded|OverLimit|LimitExceeded|ProvisionedThroughput)/i;
const EXPIRED = /^(ExpiredToken|RequestExpired|RequestTimeTooSkewed|CredentialsProviderError)/;
const REFUSED =
  /^(AccessDenied|AuthFailure|IncompleteSignature|InvalidAccessKeyId|InvalidClientTokenId|InvalidSecurity|InvalidSignature|KmsAccessDenied|KmsOptInRequired|MissingAuthenticationToken|NotAuthorized|OptInRequired|SignatureDoesNotMatch|UnrecognizedClient)/;
const TOO_LARGE = /^(MessageTooLong|RequestEntityTooLarge|BatchRequestTooLong)/;
const INVALID = /^(Validation|InvalidParameterValue|InvalidArgument)/;
const SIZE = /\bsize\b|too long|too large|shorter than|over the limit/i;
const FOR_NOW =
  /^(ConcurrentModification|InternalError|InternalException|InternalFailure|InternalServerError|KmsDisabled|KmsInvalidState|RequestTimeout|ServiceUnavailable)/;

/** What an error of the AWS SDK means. Undefined for what the network says. */
export function awsFault(service: string, error: unknown): CloudFault | undefined {
  const { name, message, code, $metadata } = (error ?? {}) as {
    readonly name?: string;
    readonly message?: string;
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  // The SDK also says TimeoutError of connections that break off: those have a code.
  if (name === undefined || (status === undefined && typeof code === "string")) return undefined;
  if (status === undefined && name === "TimeoutError") {
    return new CloudFault("connect_timeout", "The connection took too long", { retryable: true });
  }
  if (status === undefined && !EXPIRED.test(name)) return undefined;
  return awsCodeFault(service, { code: name, message, status }, error);
}

/** What a code of an AWS service means. */
export function awsCodeFault(
  service: string,
  answer: {
    readonly code: string;
    readonly message?: string | undefined;
    readonly status?: number | undefined;
  },
  cause?: unknown,
): CloudFault {
  const { message = "", status } = answer;
  const code = answer.code.split(".").at(-1) ?? answer.code;
  const [errorClass, retryable] = meaningOf(code, message, status ?? 400);
  const response = message === "" ? code : `${code}: ${message}`;
  return new CloudFault(
    errorClass,
    `${service} answered ${code}`,
    { retryable, status, response },
    cause,
  );
}

function meaningOf(
  code: string,
  message: string,
  status: number,
): ReturnType<typeof classOfStatus> {
  if (THROTTLED.test(code)) return ["throttled", true];
  if (EXPIRED.test(code)) return ["authentication", true];
  if (REFUSED.test(code)) return ["authentication", false];
  if (TOO_LARGE.test(code) || (INVALID.test(code) && SIZE.test(message))) {
    return ["payload_too_large", false];
  }
  if (FOR_NOW.test(code)) return [status >= 500 ? "http_5xx" : "rejected", true];
  return classOfStatus(status);
}
