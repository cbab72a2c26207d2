/** Where a command writes. */
export interface Output {
  /** Writes text. */
  write(text: string): unknown;
  /** Whether a person reads along on a terminal. Absent: no. */
  readonly isTTY?: boolean | undefined;
  /** The width of the terminal. */
  readonly columns?: number | undefined;
}

/** What a command has of the process around it. */
export interface Io {
  /** Where results go. */
  readonly stdout: Output;
  /** Where messages, progress and errors go. */
  readonly stderr: Output;
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly cwd: string;
  /** Aborted when the user ends the command, for example with Ctrl-C. */
  readonly signal: AbortSignal;
  /** Reads standard input to its end. */
  readInput(): Promise<string>;
  /** Asks a question on the terminal. Resolves with undefined where nobody can answer. */
  ask(question: string): Promise<string | undefined>;
}
