import { z } from "zod";
import type { LogQuery } from "../contract/delivery.ts";
import type { PageOptions } from "../contract/subscription.ts";
import { invalidRequest } from "../errors.ts";
import type { LogPage, LogSearch } from "../search/log-search.ts";
import { readWith } from "../subscriptions/schema.ts";

/** Characters of a query. */
const LONGEST_QUERY = 4_096;

const query = z.string().max(LONGEST_QUERY).optional();
const time = z.date().optional();

/** The members of a {@link LogQuery}. */
export const logQueryMembers: {
  readonly query: z.ZodType<string | undefined>;
  readonly since: z.ZodType<Date | undefined>;
  readonly until: z.ZodType<Date | undefined>;
} = { query, since: time, until: time };

const logQuerySchema: z.ZodType<LogQuery> = z.strictObject(logQueryMembers);

const logPageSchema: z.ZodType<PageOptions> = z.strictObject({
  limit: z.int().min(1).max(500).optional(),
  cursor: z.string().max(100).optional(),
});

/**
 * Reads the argument of a call.
 *
 * @throws BusbarError `BUSBAR_INVALID_REQUEST`.
 */
export function readArgument<T>(call: string, schema: z.ZodType<T>, value: unknown): T {
  const { value: read, issues } = readWith(schema, value);
  if (issues.length > 0 || read === undefined) throw invalidRequest(call, issues);
  return read;
}

/** Reads what a search asks for. */
export function searchOf(call: string, given: LogQuery = {}): LogSearch {
  const { query, since, until } = readArgument(call, logQuerySchema, given);
  return { query, since: since?.getTime(), until: until?.getTime() };
}

/** Reads which page is wanted. */
export function logPageOf(call: string, given: PageOptions = {}): LogPage {
  return readArgument(call, logPageSchema, given);
}
