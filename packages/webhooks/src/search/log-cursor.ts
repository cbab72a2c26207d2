import { invalidRequest } from "../errors.ts";

/** The place of a row in the order of the log. */
export interface LogCursor {
  readonly time: number;
  readonly number: number;
}

/** Returns a place as the text that callers hand back. */
export function writeCursor({ time, number }: LogCursor): string {
  return Buffer.from(`${time}.${number}`).toString("base64url");
}

/**
 * Reads the text of {@link writeCursor}.
 *
 * @throws BusbarError `BUSBAR_INVALID_REQUEST` for any other text.
 */
export function readCursor(text: string): LogCursor {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(Buffer.from(text, "base64url").toString("latin1"));
  if (!match) {
    throw invalidRequest("webhooks.log", [
      { path: "cursor", reason: "must be the cursor of the page before" },
    ]);
  }
  return { time: Number(match[1]), number: Number(match[2]) };
}
