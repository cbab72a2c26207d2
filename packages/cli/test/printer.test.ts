import { styleText } from "node:util";
import { describe, expect, test } from "vitest";
import { createPrinter, type Printer } from "../src/output/printer.ts";
import type { Style } from "../src/output/text.ts";

/** Sets the title of a terminal, clears it, and turns the direction of text: as one byte, too. */
const NASTY = "\u001B]0;title\u0007 \u009B2J \u001B[8m \u202E \u007F \r";
/** All that a terminal could obey. */
const CONTROL = /[^\P{Cc}\n\t]|\u202E/u;
const STYLES: readonly Style[] = ["bold", "dim", "red", "green", "yellow", "cyan"];

/** Takes away what a style begins and ends with. */
function withoutStyle(text: string, style: Style): string {
  const [before, after] = styleText(style, "|", { validateStream: false }).split("|");
  return text.replaceAll(before!, "").replaceAll(after!, "");
}

/** Writes the same text in every way that a printer has. */
function written(given: string, options: { json: boolean; color: boolean }): string[] {
  const outputs: string[] = [];
  const output = { isTTY: true, write: (text: string) => outputs.push(text) };
  const printer: Printer = createPrinter(
    { stdout: output, stderr: output, env: {} } as never,
    options,
  );
  const all = (): string => STYLES.map((style) => printer.paint(style, given)).join(given);
  printer.result({ given }, all);
  printer.entry({ given }, all);
  printer.note(all());
  return outputs;
}

describe.each([{ json: false }, { json: true }])("a printer (%o)", ({ json }) => {
  test.each([{ color: true }, { color: false }])(
    "writes nothing of data that a terminal would obey (%o)",
    ({ color }) => {
      for (const text of written(NASTY, { json, color })) {
        const withoutStyles = STYLES.reduce(withoutStyle, text);
        expect(withoutStyles).not.toMatch(CONTROL);
      }
    },
  );
});

test("JSON has the same data with escapes", () => {
  const [result, entry] = written(NASTY, { json: true, color: true });
  for (const text of [result!, entry!]) expect(JSON.parse(text)).toEqual({ given: NASTY });
});

test("styles stay where the terminal has colours", () => {
  const [text] = written("a", { json: false, color: true });
  expect(text).toContain("\u001B[1ma\u001B[22ma\u001B[2ma\u001B[22m");
  expect(text).toContain("\u001B[36ma\u001B[39m");
});
