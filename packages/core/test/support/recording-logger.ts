import type { Logger } from "../../src/contract/logger.ts";

/** What was logged once. */
export interface LogLine {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that remembers what was logged. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly LogLine[];
  /** The lines of one level. */
  at(level: keyof Logger): readonly LogLine[];
}

export function createRecordingLogger(): RecordingLogger {
  const lines: LogLine[] = [];
  const record = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as LogLine["fields"], message });
  return {
    lines,
    at: (level) => lines.filter((line) => line.level === level),
    debug: record("debug"),
    info: record("info"),
    warn: record("warn"),
    error: record("error"),
  };
}
