/** A field that a query of the delivery log may name. */
export interface LogField {
  readonly name: string;
  readonly hint: string;
  /** Values to choose from. */
  readonly values?: readonly string[];
}

const states = ["waiting", "retrying", "paused", "running", "delivered", "dead", "cancelled"];

/** The fields that a query may name. A query may also name `data.…` for the payload. */
export const logFields: readonly LogField[] = [
  { name: "event_name", hint: "The name of the event, such as order.placed or order.*" },
  { name: "success", hint: "Whether the attempt has succeeded", values: ["true", "false"] },
  { name: "status", hint: "The state of the delivery", values: states },
  { name: "status_code", hint: "The status of HTTP, such as 503 or [500 TO 599]" },
  { name: "error_class", hint: "The kind of failure, such as timeout" },
  { name: "error", hint: "Words of the error" },
  { name: "response", hint: "Words of the answer" },
  { name: "attempt", hint: "The number of the attempt, from 1" },
  {
    name: "trigger",
    hint: "Why the attempt was made",
    values: ["first", "retry", "manual", "replay", "resolve"],
  },
  { name: "duration", hint: "Milliseconds, such as > 1000" },
  { name: "created", hint: "When the attempt began, such as [2026-11-01 TO *]" },
  { name: "next_attempt", hint: "When the next attempt is due" },
  { name: "uuid", hint: "The id of the delivery" },
  { name: "event_id", hint: "The id of the event" },
  { name: "subscription_id", hint: "The id of the webhook subscription" },
  { name: "destination", hint: "The destination of the delivery" },
  { name: "notifier", hint: "The name of the notifier" },
  { name: "scope", hint: "The scope of the event" },
  { name: "log_id", hint: "The number of the attempt in the log" },
];

/** Queries to begin with. */
export const exampleQueries: readonly { readonly query: string; readonly finds: string }[] = [
  { query: "success: false", finds: "Attempts that failed" },
  { query: "status: dead", finds: "Deliveries that are given up" },
  { query: "event_name: order.* AND status_code: [500 TO 599]", finds: "Server errors of orders" },
  { query: "data.customer.email: ada@example.com", finds: "Events about a customer" },
  { query: "error_class: timeout AND created: [now-1h TO *]", finds: "Timeouts of the last hour" },
];

/** A completion of the word before the cursor. */
export interface Completion {
  readonly text: string;
  readonly hint: string;
}

/** The word that ends at the cursor, and where it begins. */
export function wordBefore(
  query: string,
  cursor: number,
): { readonly word: string; readonly from: number } {
  const word = /[^\s()]*$/.exec(query.slice(0, cursor))?.[0] ?? "";
  return { word, from: cursor - word.length };
}

/**
 * Completes the word before the cursor: names of fields, and values after the name of a field.
 *
 * @param names Names of events that are known.
 */
export function completions(
  query: string,
  cursor: number,
  names: readonly string[],
): readonly Completion[] {
  const { word, from } = wordBefore(query, cursor);
  const field = /([\w.]+):\s*$/.exec(query.slice(0, from))?.[1];
  if (field !== undefined) return valuesOf(field, names, word);
  const [, inWord, value] = /^([\w.]+):(.*)$/.exec(word) ?? [];
  if (inWord !== undefined) {
    return valuesOf(inWord, names, value ?? "").map((completion) => ({
      ...completion,
      text: `${inWord}: ${completion.text}`,
    }));
  }
  if (word === "") return [];
  return [...logFields, { name: "data.", hint: "A value of the payload, such as data.order.id" }]
    .filter(({ name }) => name.startsWith(word.toLowerCase()) && name !== word)
    .map(({ name, hint }) => ({ text: name.endsWith(".") ? name : `${name}: `, hint }));
}

function valuesOf(field: string, names: readonly string[], begun: string): readonly Completion[] {
  const known =
    field === "event_name" ? names : logFields.find(({ name }) => name === field)?.values;
  return (known ?? [])
    .filter((value) => value.startsWith(begun) && value !== begun)
    .slice(0, 10)
    .map((value) => ({ text: value, hint: "" }));
}
