import { cutTo, type Paint, printable } from "./text.ts";

/** One column of a table: its heading, and what it shows of a row. */
export interface Column<Row> {
  /** The heading. */
  readonly title: string;
  /** The text of a row. */
  readonly of: (row: Row) => string | number | undefined;
  /** Numbers stand on the right. @default "left" */
  readonly align?: "left" | "right" | undefined;
  /** The most characters that are shown. No limit by default. */
  readonly most?: number | undefined;
}

/** Lays rows out in columns. No frame, so that `awk` and `cut` can read the table. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  paint: Paint,
): string {
  const cells = rows.map((row) =>
    columns.map(({ of, most = Number.MAX_SAFE_INTEGER }) =>
      cutTo(printable(String(of(row) ?? "-")).replaceAll(/\s+/g, " "), most),
    ),
  );
  const widths = columns.map(({ title }, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]!.length)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, column) => {
        const width = widths[column]!;
        if (columns[column]!.align === "right") return text.padStart(width);
        return column === columns.length - 1 ? text : text.padEnd(width);
      })
      .join("  ");
  const head = line(columns.map(({ title }) => title));
  return [paint("bold", head), ...cells.map(line)].join("\n");
}
