/** What the doctor found out about one thing. */
export interface Finding {
  /** What was looked at, such as `Node.js`. */
  readonly what: string;
  /** `failed`: something does not work. `warning`: something may go wrong. */
  readonly status: "ok" | "warning" | "failed";
  /** What was found, in one sentence. */
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
}

/** Makes a finding with nothing to do about it. */
export function ok(what: string, message: string): Finding {
  return { what, status: "ok", message };
}

/** Makes a finding about what may go wrong. */
export function warning(what: string, message: string, advice: string): Finding {
  return { what, status: "warning", message, advice };
}

/** Makes a finding about what does not work. */
export function failed(what: string, message: string, advice: string): Finding {
  return { what, status: "failed", message, advice };
}
