import { isBusbarError } from "@busbar/core";

/** What the exit code of a command says. */
export const ExitCode = {
  /** The command has done what it was asked to do. */
  ok: 0,
  /** The command has failed, or a check has found something. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** There is nothing of the name or the filter that was given. */
  notFound: 3,
  /** The provider or a database cannot be reached, or cannot do this. */
  unavailable: 4,
} as const;

/** One of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends a command with a message for people and an exit code. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  /** The exit code of the process. */
  readonly exitCode: ExitCode;
  /** What the reader can do about the failure. */
  readonly hint: string | undefined;

  /**
   * @param exitCode - The exit code of the process.
   * @param message - What has failed.
   * @param hint - What the reader can do about it.
   */
  constructor(exitCode: ExitCode, message: string, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** Returns the exit code for what a command has thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailure) return error.exitCode;
  if (isBusbarError(error, "BUSBAR_NOT_FOUND")) return ExitCode.notFound;
  if (isBusbarError(error, "BUSBAR_UNAVAILABLE")) return ExitCode.unavailable;
  if (isBusbarError(error, "BUSBAR_UNSUPPORTED")) return ExitCode.unavailable;
  if (isBusbarError(error, "BUSBAR_EMIT_TIMEOUT")) return ExitCode.unavailable;
  return ExitCode.failed;
}
