import type { Logger } from "@busbar/core";
import type { Cli } from "../cli.ts";
import { printable, type Style } from "../output/text.ts";

/** Makes a logger that writes to the error output: warnings and errors, and everything with `--verbose`. */
export function logTo({ io, options, printer }: Cli): Logger {
  const line =
    (level: keyof Logger, style: Style) =>
    (fields: object, message: string): void => {
      const err = (fields as { readonly err?: unknown }).err;
      const cause = err instanceof Error ? `: ${err.message}` : "";
      const text = `${message}${cause}`;
      const json = options.json === true && JSON.stringify({ level, message: text });
      const head = printer.paint(style, `${level}:`);
      io.stderr.write(`${json ? printable(json) : `${head} ${printable(text)}`}\n`);
    };
  const quiet = (): void => {};
  return {
    debug: options.verbose === true ? line("debug", "dim") : quiet,
    info: options.verbose === true ? line("info", "dim") : quiet,
    warn: line("warn", "yellow"),
    error: line("error", "red"),
  };
}
