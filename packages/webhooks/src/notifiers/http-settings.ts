import { z } from "zod";
import type { SettingsSchema } from "../contract/notifier.ts";
import type { AuthSettings } from "../http/auth.ts";
import type { ClientTls } from "../http/connector.ts";
import { headerNameProblem, isHeaderValue, isSecretHeader } from "../http/header-rules.ts";
import { tlsSettings } from "../http/tls-settings.ts";
import { BODY_FORMATS, type BodyFormat } from "../signing/body-formats.ts";

/** What a subscription of the notifier `http` says besides its destination. */
export interface HttpSettings {
  /** How the event is written into the request. */
  readonly format: BodyFormat;
  /** Which signatures are sent: those of Standard Webhooks, `x-magento-signature`, or both. */
  readonly signatures: readonly ("standard" | "magento")[];
  /** Headers that everybody may see. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers whose values are secret. */
  readonly sensitiveHeaders: Readonly<Record<string, string>>;
  /** How requests say who sends them. */
  readonly auth?: AuthSettings | undefined;
  /** Our certificate, and whom to trust. */
  readonly tls?: ClientTls | undefined;
  /** Milliseconds for a whole attempt. */
  readonly timeoutMs: number;
  /** What status codes mean, other than usual. The first that fits counts. */
  readonly statusRules: readonly StatusRule[];
}

/** What a status code means for a subscription. */
export interface StatusRule {
  /** One code, the first and last of several, or a class such as `4xx`. */
  readonly status: number | readonly [number, number] | "1xx" | "2xx" | "3xx" | "4xx" | "5xx";
  /**
   * - `succeed`: the delivery has arrived.
   * - `retry`: it is attempted again.
   * - `fail`: it is not attempted again.
   * - `disable`: it is not attempted again, and the subscription is disabled.
   */
  readonly do: "succeed" | "retry" | "fail" | "disable";
}

const MOST_HEADERS = 50;
const secret = { writeOnly: true } as const;
const statusCode = z.int().min(100).max(599);
const classes = z.enum(["1xx", "2xx", "3xx", "4xx", "5xx"]);

const statusRule = z
  .strictObject({
    status: z
      .union([statusCode, z.tuple([statusCode, statusCode]), classes])
      .meta({ description: "One code, the first and last of several, or a class such as 4xx" }),
    do: z.enum(["succeed", "retry", "fail", "disable"]),
  })
  .refine(({ status }) => !Array.isArray(status) || status[0] <= status[1], {
    path: ["status"],
    error: "must have the lower code first",
  });

const headerValue = z.string().max(4_096).refine(isHeaderValue, {
  error: "must be printable, without a space at its ends",
});

function headersOf(value: z.ZodString, problemOf: (name: string) => string | undefined) {
  return z.record(z.string().max(128), value).superRefine((headers, context) => {
    const names = Object.keys(headers);
    if (names.length > MOST_HEADERS) {
      context.addIssue({ code: "custom", message: `must have ${MOST_HEADERS} members at most` });
    }
    const seen = new Set<string>();
    for (const name of names) {
      const lower = name.toLowerCase();
      const problem = seen.has(lower) ? "must be there once only" : problemOf(name);
      seen.add(lower);
      if (problem) context.addIssue({ code: "custom", message: problem, path: [name] });
    }
  });
}

function authOf(urlProblem: (url: string) => string | undefined) {
  const word = z.string().min(1).max(1_024);
  const tokenUrl = z.string().superRefine((url, context) => {
    const problem = urlProblem(url);
    if (problem) context.addIssue({ code: "custom", message: `must ${problem}` });
  });
  return z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("basic"),
      // RFC 7617: the colon ends the name.
      username: z
        .string()
        .max(1_024)
        .regex(/^[^:]*$/, { error: "must not have a colon" }),
      password: z
        .string()
        .max(1_024)
        .meta({ ...secret, title: "Password" }),
    }),
    z.strictObject({
      type: z.literal("bearer"),
      token: headerValue.min(1).meta({ ...secret, title: "Token" }),
    }),
    z.strictObject({
      type: z.literal("oauth2"),
      tokenUrl: tokenUrl.meta({ title: "URL of the token server" }),
      clientId: word,
      clientSecret: word.meta({ ...secret, title: "Client secret" }),
      scope: word.optional(),
      audience: word.optional(),
      credentialsIn: z.enum(["header", "body"]).default("header"),
    }),
  ]);
}

/**
 * Makes the schema of the settings.
 *
 * @param urlProblem Says what is wrong with the URL of a token server, in words that follow "must".
 */
export function httpSettings(
  urlProblem: (url: string) => string | undefined,
): SettingsSchema<HttpSettings> {
  return z.strictObject({
    format: z
      .enum(BODY_FORMATS)
      .default("standard")
      .meta({ title: "Format", description: "How an event is written into the request" }),
    signatures: z
      .array(z.enum(["standard", "magento"]))
      .min(1)
      .max(2)
      .default(["standard"])
      .meta({
        title: "Signatures",
        description: "Those of Standard Webhooks, x-magento-signature of Mage-OS, or both",
      }),
    headers: headersOf(headerValue, (name) =>
      isSecretHeader(name) ? "must be one of sensitiveHeaders" : headerNameProblem(name),
    )
      .default({})
      .meta({ title: "Headers", description: "Sent with each request, and shown in the log" }),
    sensitiveHeaders: headersOf(headerValue.meta(secret), headerNameProblem).default({}).meta({
      title: "Sensitive headers",
      description: "Sent with each request; their values are never shown",
    }),
    auth: authOf(urlProblem).optional().meta({ title: "Authentication" }),
    tls: tlsSettings.optional().meta({ title: "TLS" }),
    timeoutMs: z.int().min(100).max(30_000).default(15_000).meta({
      title: "Timeout",
      description:
        "Milliseconds for an attempt, from the look-up of the name to the end of the answer",
    }),
    statusRules: z.array(statusRule).max(50).default([]).meta({
      title: "Status codes",
      description: "What they mean; the first rule that fits counts",
    }),
  });
}
