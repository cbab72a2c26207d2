const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Printable ASCII and Latin-1, with spaces and tabs within. */
const VALUE =
  /^[\u0021-\u007E\u0080-\u00FF](?:[\t\u0020-\u007E\u0080-\u00FF]*[\u0021-\u007E\u0080-\u00FF])?$/;

/** Headers that a connection, a body or a signature depends on. */
const RESERVED = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "traceparent",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-magento-signature",
]);
const RESERVED_PREFIX = /^(proxy-|webhook-|ce-|busbar-)/;
/** Headers whose values are secret, wherever they come from. */
const SECRET = new Set(["authorization", "cookie"]);

/** Says what is wrong with the name of a header that a subscription adds, in words that follow it. */
export function headerNameProblem(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (!TOKEN.test(name)) return "must be the name of a header";
  if (RESERVED.has(lower) || RESERVED_PREFIX.test(lower)) return "must not be set: it is ours";
  return undefined;
}

/** Whether a value can stand in a header as it is. */
export function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

/** Whether the values of a header are secret. */
export function isSecretHeader(name: string): boolean {
  return SECRET.has(name.toLowerCase());
}
