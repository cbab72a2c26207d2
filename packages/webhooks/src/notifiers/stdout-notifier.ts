import { assertOptions, checks } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier, NotifierRequest, NotifierResult } from "../contract/notifier.ts";
import { faultOf } from "../http/fault-of.ts";
import { HttpFault } from "../http/http-fault.ts";
import { interruption, within } from "../http/within.ts";
import { jsonLine } from "./json-line.ts";

/** Options of {@link stdoutNotifier}. */
export interface StdoutNotifierOptions {
  /**
   * Writes one line, which ends in a line break, and resolves when there is room for the next one.
   *
   * @default writes to standard output
   */
  readonly write?: ((line: string) => Promise<void>) | undefined;
}

const BAD_DESTINATION: NotifierResult = {
  ok: false,
  retryable: false,
  errorClass: "invalid_settings",
  error: "The destination must be stdout",
};
/** Milliseconds for which the reader of standard output may not read. */
const TIMEOUT_MS = 15_000;

/**
 * Writes each delivery as one line of JSON, a CloudEvent, to standard output, for a log collector or to look at. The
 * destination is `stdout`. A reader that does not read holds up the deliveries of this notifier, and no others.
 *
 * @throws TypeError when an option is not what it can be.
 */
export function stdoutNotifier(
  options: StdoutNotifierOptions = {},
): Notifier<Record<string, never>> {
  assertOptions("stdoutNotifier()", options, { write: checks.function });
  const { write = writeToStdout } = options;
  return {
    name: "stdout",
    title: "Standard output",
    settings: z.strictObject({}),
    signs: false,
    checkDestination: (destination) => (destination === "stdout" ? undefined : "be stdout"),
    async deliver(request: NotifierRequest): Promise<NotifierResult> {
      const { signal, subscription } = request;
      if (subscription.destination !== "stdout") return BAD_DESTINATION;
      if (signal.aborted) return failed(interruption(signal));
      const line = jsonLine(request);
      try {
        await within({ timeoutMs: TIMEOUT_MS, signal }, write(line), () => {
          return new HttpFault("timeout", `The line was not taken in ${TIMEOUT_MS} ms`);
        });
        return { ok: true, retryable: false };
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function failed(error: unknown): NotifierResult {
  const { errorClass, retryable, message } = faultOf(error);
  return { ok: false, retryable, errorClass, error: message };
}

function writeToStdout(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { stdout } = process;
    // Without a listener, a reader that is gone would end the process.
    const onError = (): void => {};
    stdout.once("error", onError);
    stdout.write(line, (error) => {
      if (error) {
        reject(error);
        return;
      }
      stdout.off("error", onError);
      resolve();
    });
  });
}
