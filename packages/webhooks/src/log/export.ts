import type { DeliveryAttempt } from "../contract/delivery.ts";
import { lineOf } from "../notifiers/json-line.ts";
import { type LogSearch, searchAttempts } from "../search/log-search.ts";
import { type WebhookStore, wholeOf } from "../store/webhook-store.ts";

/** Attempts that are read at once: a response may have 16 kB. */
const PAGE = 200;
/** The columns of CSV. */
const COLUMNS = [
  "id",
  "deliveryId",
  "eventId",
  "eventName",
  "subscriptionId",
  "number",
  "trigger",
  "success",
  "status",
  "errorClass",
  "error",
  "startedAt",
  "durationMs",
  "nextAttemptAt",
  "requestHeaders",
  "response",
] as const satisfies readonly (keyof DeliveryAttempt)[];

/**
 * Writes the attempts that a search finds, newest first, as text: only those that were there when the reading began. One
 * page is in memory at a time. Nothing is read any more once the stream is cancelled.
 *
 * @param searchOf Called when the reading begins. What it throws is the error of the stream.
 */
export function exportAttempts(
  store: WebhookStore,
  searchOf: () => LogSearch,
  format: "csv" | "ndjson",
): ReadableStream<string> {
  let search: LogSearch | undefined;
  let cursor: string | null = null;
  let isCancelled = false;
  return new ReadableStream<string>(
    {
      async pull(controller) {
        const parts: string[] = [];
        if (search === undefined) {
          search = { ...searchOf(), upTo: await latestAttempt(store) };
          if (format === "csv") parts.push(csvLine(COLUMNS));
        }
        do {
          const page = await searchAttempts(store.store, search, {
            limit: PAGE,
            cursor: cursor ?? undefined,
          });
          parts.push(...page.items.map(format === "csv" ? csvOf : lineOf));
          cursor = page.cursor;
        } while (parts.length === 0 && cursor !== null && !isCancelled);
        if (isCancelled) return;
        if (parts.length > 0) controller.enqueue(parts.join(""));
        if (cursor === null) controller.close();
      },
      cancel() {
        isCancelled = true;
      },
    },
    // Nothing is read that nobody has asked for.
    { highWaterMark: 0 },
  );
}

async function latestAttempt({ own, tables }: WebhookStore): Promise<number> {
  const [row] = await own.execute(`SELECT coalesce(max(id), 0) AS latest FROM ${tables.attempts}`);
  return wholeOf(row?.["latest"]);
}

function csvOf(attempt: DeliveryAttempt): string {
  return csvLine(COLUMNS.map((name) => cellOf(attempt[name])));
}

function cellOf(value: DeliveryAttempt[(typeof COLUMNS)[number]]): string {
  if (value === null) return "";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A line of CSV, as RFC 4180 has it. */
function csvLine(cells: readonly string[]): string {
  return `${cells.map(quotedCell).join(",")}\r\n`;
}

/** Quotes a cell where that is needed. A spreadsheet is not to take text of a destination for a formula. */
function quotedCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
