import { bindQuery, type Condition, type Fields } from "./condition.ts";
import { parseQuery, type ParseOptions } from "./parser.ts";

/**
 * Reads a query, and checks it against the fields that there are.
 *
 * @throws {@link LuceneError} with the place of what is wrong.
 */
export function readQuery(text: string, fields: Fields, options?: ParseOptions): Condition {
  return bindQuery(parseQuery(text, options), text, fields);
}
