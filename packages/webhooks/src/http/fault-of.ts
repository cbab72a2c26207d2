import { errors } from "undici";
import type { ErrorClass } from "../contract/notifier.ts";
import { HttpFault } from "./http-fault.ts";

/** What codes of Node.js and undici mean. Those of TLS and of the HTTP parser are known by their form. */
const MEANINGS: ReadonlyMap<string, readonly [ErrorClass, string]> = new Map([
  ["ENOTFOUND", ["dns_error", "The name could not be resolved"]],
  ["EAI_AGAIN", ["dns_error", "The name could not be resolved"]],
  ["ECONNREFUSED", ["connection_refused", "The connection was refused"]],
  ["EHOSTUNREACH", ["connection_refused", "The host cannot be reached"]],
  ["EHOSTDOWN", ["connection_refused", "The host cannot be reached"]],
  ["ENETUNREACH", ["connection_refused", "The network cannot be reached"]],
  ["EADDRNOTAVAIL", ["connection_refused", "The network cannot be reached"]],
  ["EACCES", ["connection_refused", "The connection was refused"]],
  ["ECONNRESET", ["connection_reset", "The connection was closed before the answer was complete"]],
  [
    "ECONNABORTED",
    ["connection_reset", "The connection was closed before the answer was complete"],
  ],
  ["EPIPE", ["connection_reset", "The connection was closed before the answer was complete"]],
  [
    "UND_ERR_SOCKET",
    ["connection_reset", "The connection was closed before the answer was complete"],
  ],
  ["UND_ERR_INFO", ["connection_reset", "The connection was closed before it was used"]],
  ["ETIMEDOUT", ["connect_timeout", "The connection took too long"]],
  ["UND_ERR_CONNECT_TIMEOUT", ["connect_timeout", "The connection took too long"]],
  ["UND_ERR_HEADERS_TIMEOUT", ["timeout", "The answer took too long"]],
  ["UND_ERR_BODY_TIMEOUT", ["timeout", "The answer took too long"]],
  ["UND_ERR_HEADERS_OVERFLOW", ["protocol_error", "The headers of the answer are too large"]],
  [
    "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
    ["protocol_error", "The body of the answer is not as long as it was said to be"],
  ],
  ["UND_ERR_INVALID_ARG", ["invalid_settings", "The request cannot be sent with these headers"]],
]);

const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|EPROTO)/;

/** Says what an error of a connection or a request is, without what the error itself may tell. */
export function faultOf(error: unknown): HttpFault {
  if (error instanceof HttpFault) return error;
  const code = codeOf(error);
  if (isProtocolError(error)) {
    const reason = code.startsWith("HPE_") ? ` (${code})` : "";
    const message = `The answer is not HTTP as it was expected${reason}`;
    return new HttpFault("protocol_error", message, { cause: error });
  }
  const known = MEANINGS.get(code);
  if (known) {
    const [errorClass, message] = known;
    const retryable = errorClass !== "invalid_settings";
    return new HttpFault(errorClass, `${message} (${code})`, { retryable, cause: error });
  }
  if (TLS_CODE.test(code)) {
    return new HttpFault("tls_error", `The TLS connection failed (${code})`, { cause: error });
  }
  const reason = code === "" ? "" : ` (${code})`;
  return new HttpFault("unknown", `The request failed${reason}`, { cause: error });
}

/** Whether the other side did not keep to HTTP. Not all of these errors have a code of their own. */
function isProtocolError(error: unknown): boolean {
  return (
    error instanceof errors.HTTPParserError ||
    (error instanceof errors.SocketError && /^bad (response|upgrade)$/.test(error.message))
  );
}

/** The code of an error, or of the first within an AggregateError. */
function codeOf(error: unknown): string {
  const { code, errors, cause } = (error ?? {}) as {
    readonly code?: unknown;
    readonly errors?: readonly unknown[];
    readonly cause?: unknown;
  };
  if (typeof code === "string") return code;
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]);
  return cause === undefined || cause === error ? "" : codeOf(cause);
}
