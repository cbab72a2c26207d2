import type { ErrorClass } from "../../contract/notifier.ts";
import { HttpFault } from "../../http/http-fault.ts";

/** What a service has answered besides. */
export interface CloudAnswer {
  /** Whether another attempt may go better. */
  readonly retryable: boolean;
  /** The status code, if the protocol has one. */
  readonly status?: number | undefined;
  /** Milliseconds for which the service asks to be left alone. */
  readonly retryAfterMs?: number | undefined;
  /** The service's own words. They may have secrets. */
  readonly response?: string | undefined;
}

/** Why a service has not accepted a delivery. */
export class CloudFault extends HttpFault {
  override readonly name: string = "CloudFault";
  readonly answer: CloudAnswer;

  constructor(errorClass: ErrorClass, message: string, answer: CloudAnswer, cause?: unknown) {
    super(errorClass, message, { retryable: answer.retryable, cause });
    this.answer = answer;
  }
}

/** What a status code of a cloud's interface means, where its error has no name that says more. */
export function classOfStatus(status: number): readonly [ErrorClass, retryable: boolean] {
  if (status >= 300 && status < 400) return ["redirect", false];
  if (status === 401 || status === 403) return ["authentication", false];
  if (status === 413) return ["payload_too_large", false];
  if (status === 429) return ["throttled", true];
  if (status === 408) return ["timeout", true];
  if (status >= 500) return ["http_5xx", true];
  return ["rejected", false];
}
