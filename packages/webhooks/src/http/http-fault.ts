import type { ErrorClass } from "../contract/notifier.ts";

/** Why there was no answer to a request. Its message has no secret, no path and no query. */
export class HttpFault extends Error {
  override readonly name: string = "HttpFault";
  /** What kind of error it was. */
  readonly errorClass: ErrorClass;
  /** Whether another attempt may go better. */
  readonly retryable: boolean;

  constructor(
    errorClass: ErrorClass,
    message: string,
    options: { readonly retryable?: boolean | undefined; readonly cause?: unknown } = {},
  ) {
    const { retryable = true, cause } = options;
    super(message, cause === undefined ? {} : { cause });
    this.errorClass = errorClass;
    this.retryable = retryable;
  }
}
