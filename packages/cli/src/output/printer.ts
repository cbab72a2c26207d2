import type { Io } from "../io.ts";
import { type Paint, painter, printable, printableStyled } from "./text.ts";

/**
 * Writes what a command has to say: for people, or as JSON. Control characters are replaced by escapes, which mean the
 * same in JSON: data must not steer the terminal of a reader.
 */
export interface Printer {
  /** Whether machines read along. */
  readonly json: boolean;
  /** Gives text a style, where the output has colours. */
  readonly paint: Paint;
  /** Writes the result: one JSON document, or the text. */
  result(value: unknown, text: () => string): void;
  /** Writes one entry of a stream: one line of JSON, or the text. */
  entry(value: unknown, text: () => string): void;
  /** Writes a message for people, next to the result. */
  note(text: string): void;
  /** Shows how far long work is, on a terminal. */
  progress(text: string): void;
}

/** What decides how a command writes. */
export interface PrinterOptions {
  /** Whether machines read along. */
  readonly json: boolean;
  /** `false`: no colours, wherever it writes to. */
  readonly color: boolean;
}

/** Makes a printer. */
export function createPrinter(io: Io, { json, color }: PrinterOptions): Printer {
  let isLineOpen = false;
  const endLine = (): void => {
    if (isLineOpen) io.stderr.write("\r\u001B[K");
    isLineOpen = false;
  };
  const hasColours = color && !json && hasTerminalColours(io);
  const safe = hasColours ? printableStyled : printable;
  return {
    json,
    paint: painter(hasColours),
    result(value, text) {
      endLine();
      io.stdout.write(`${safe(json ? JSON.stringify(value, null, 2) : text())}\n`);
    },
    entry(value, text) {
      endLine();
      io.stdout.write(`${safe(json ? JSON.stringify(value) : text())}\n`);
    },
    note(text) {
      endLine();
      if (!json) io.stderr.write(`${safe(text)}\n`);
    },
    progress(text) {
      if (json || io.stderr.isTTY !== true) return;
      io.stderr.write(`\r\u001B[K${printable(text)}`);
      isLineOpen = true;
    },
  };
}

/** Whether the terminal shows colours, and nobody has asked it not to: see https://no-color.org. */
export function hasTerminalColours({ stdout, env }: Io): boolean {
  return stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
