import { isBusbarError } from "@busbar/core";
import { Command, CommanderError } from "commander";
import { addCommands } from "./commands/all.ts";
import { CommandFailure, ExitCode, exitCodeOf } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { positiveNumber } from "./options.ts";
import { createPrinter, hasTerminalColours, type Printer } from "./output/printer.ts";
import { painter, printable } from "./output/text.ts";
import { ownVersion } from "./own-version.ts";

/** The options that every command has. */
export interface GlobalOptions {
  /** The configuration file. By default the one of the project. */
  readonly config?: string | undefined;
  /** A file with environment variables. */
  readonly envFile?: string | undefined;
  /** Whether machines read the output. */
  readonly json?: boolean | undefined;
  /** `false` with `--no-color`. */
  readonly color: boolean;
  /** Milliseconds that the servers have to answer. */
  readonly connectTimeout?: number | undefined;
  /** Whether everything that the bus logs is shown. */
  readonly verbose?: boolean | undefined;
}

/** What a command works with. */
export interface Cli {
  /** What the command has of its process. */
  readonly io: Io;
  /** The options that every command has. */
  readonly options: GlobalOptions;
  /** Writes what the command has to say. */
  readonly printer: Printer;
}

/** The work of a command. Resolves with an exit code; with nothing, the command has done what it was asked. */
export type Work<Args extends readonly unknown[]> = (
  cli: Cli,
  ...args: Args
) => Promise<ExitCode | void>;

type ArgsOf<Given> = Given extends Work<infer Args> ? Args : never;

/** Turns the work of a command into what commander calls: `command.action(does(async (cli, name) => …))`. */
export type Does = <Args extends readonly unknown[]>(
  work: Work<Args>,
) => (...args: [...Args, Command]) => Promise<void>;

/** Makes the program: its commands, options and help texts. */
export function createProgram(io: Io, exit: (code: ExitCode) => void = () => {}): Command {
  const paint = painter(hasTerminalColours(io));
  const program = new Command("busbar")
    .description("Look into a bus, act on it, and check a release.")
    .version(ownVersion, "-V, --version", "print the version")
    .option("-c, --config <file>", "configuration file (default: busbar.config of the project)")
    .option("--env-file <file>", "read environment variables from a file")
    .option("--json", "write JSON: one document, or one line for each entry of a stream")
    .option("--no-color", "write without colours, as with the variable NO_COLOR")
    .option(
      "--connect-timeout <ms>",
      "how long servers may take to answer (default: 10000)",
      positiveNumber,
    )
    .option("--verbose", "show all that the bus logs, not only warnings and errors")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show the help of a command")
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: false, styleTitle: (text) => paint("bold", text) })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 100),
      getErrHelpWidth: () => Math.min(io.stderr.columns ?? 100, 100),
      outputError(text, write) {
        const isJson = program.opts<GlobalOptions>().json === true;
        write(
          isJson ? jsonError({ message: text.replace(/^error: /, "").trim() }) : paint("red", text),
        );
      },
    })
    .exitOverride();
  const does: Does =
    (work) =>
    async (...all) => {
      // Commander adds the command itself, behind the arguments and the options.
      const args = all.slice(0, -1) as unknown as ArgsOf<typeof work>;
      const options = program.opts<GlobalOptions>();
      if (options.envFile !== undefined) loadEnvFile(options.envFile);
      const printer = createPrinter(io, { json: options.json === true, color: options.color });
      const code = await work({ io, options, printer }, ...args);
      exit(code ?? ExitCode.ok);
    };
  addCommands(program, does);
  return program;
}

/**
 * Runs one command. Never rejects: what is wrong is written to `io.stderr`. Resolves with the exit code.
 *
 * @param argv - The words after `busbar`.
 *
 * @example
 * ```ts
 * process.exitCode = await run(["dead", "list", "--json"], processIo(signal));
 * ```
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = ExitCode.ok;
  const program = createProgram(io, (given) => (code = given));
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    // Commander has written what it had to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    reportFailure(error, program.opts<GlobalOptions>(), io);
    return exitCodeOf(error);
  }
}

function loadEnvFile(file: string): void {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new CommandFailure(ExitCode.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
}

/** What is wrong, as one line of JSON. */
function jsonError(error: {
  code?: string | undefined;
  message: string;
  hint?: string | undefined;
}): string {
  return `${printable(JSON.stringify({ error }))}\n`;
}

function reportFailure(error: unknown, options: GlobalOptions, io: Io): void {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof CommandFailure ? error.hint : undefined;
  const code = isBusbarError(error) ? error.code : undefined;
  if (options.json === true) {
    io.stderr.write(jsonError({ code, message, hint }));
    return;
  }
  const paint = painter(options.color && hasTerminalColours(io));
  io.stderr.write(`${paint("red", "error:")} ${printable(message)}\n`);
  if (hint !== undefined) io.stderr.write(`${printable(hint)}\n`);
  const isOurs = code !== undefined || error instanceof CommandFailure;
  if (options.verbose === true && !isOurs && error instanceof Error) {
    io.stderr.write(`${printable(error.stack ?? "")}\n`);
  }
}
